"""The sweep: expire grants that are past their end, and delete what is past its retention.

Deletion goes in batches of a transaction each, kinds in turn, and stops after MAX_SECONDS: the
dispatcher, which calls it between rounds, goes on sending, and the next call goes on deleting.
"""

from datetime import datetime
from typing import Final

from consent_tokens.consent.grant import EndReason
from consent_tokens.policies import ConsentPolicy
from consent_tokens.services.consents.amendments import resume_due_pauses
from consent_tokens.services.consents.requests import expire_requests
from consent_tokens.services.consents.revocation import revoke_within
from consent_tokens.services.policies_by_rules import with_rules
from consent_tokens.services.retention.kinds import KINDS, Kind
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, recipients, retention
from consent_tokens.store.database import Transaction

BATCH_SIZE: Final = 500  # rows that one transaction deletes; 10 to 30 ms
EXPIRY_BATCH_SIZE: Final = 200  # grants that one call expires, at most
MAX_SECONDS: Final = 1.0  # of one call: about three per cent of the time between two


def apply_retention(runtime: Runtime, policy: ConsentPolicy) -> int:
    """Expire grants and requests, resume pauses that are due, and delete old data.

    Returns how many grants expired.
    """
    expired = _expire(runtime)
    _delete_due(runtime, with_rules(runtime, policy))
    runtime.database.truncate_wal()
    return expired


def due_before(kind: Kind, policy: ConsentPolicy, now: datetime) -> datetime | None:
    """Return the time before which a kind is due at `now`; None if time does not end it."""
    if kind.is_own_time:
        return now
    period = kind.kept_for(policy)
    return now - period if period is not None else None


def _expire(runtime: Runtime) -> int:
    now = runtime.clock.now()

    def work(transaction: Transaction) -> int:
        expired = grants.past_expiry(transaction, now, EXPIRY_BATCH_SIZE)
        for key in expired:
            revoke_within(runtime, transaction, key, EndReason.EXPIRY)
        resume_due_pauses(runtime, transaction, now)
        expire_requests(runtime, transaction, now)
        return len(expired)

    return runtime.database.run(work)


def _delete_due(runtime: Runtime, policy: ConsentPolicy) -> None:
    """Delete batches of each kind in turn, until nothing is due or the time is over."""
    now, started = runtime.clock.now(), runtime.clock.monotonic()
    due = {
        kind.name: before for kind in KINDS if (before := due_before(kind, policy, now)) is not None
    }
    left = list(due)
    while left and runtime.clock.monotonic() - started < MAX_SECONDS:
        left = [name for name in left if _delete_batch(runtime, name, due[name], now) == BATCH_SIZE]

    def work(transaction: Transaction) -> None:
        for name in due:
            retention.record_run(transaction, name, now)

    runtime.database.run(work)


def _delete_batch(runtime: Runtime, name: str, before: datetime, now: datetime) -> int:
    """Delete one batch of a kind, and the recipients of whom nothing else is kept."""

    def work(transaction: Transaction) -> int:
        deleted = retention.delete_batch(transaction, name, before, BATCH_SIZE)
        if deleted.rows:
            recipients.delete_unused(transaction, deleted.partitions)
            retention.record_run(transaction, name, now, deleted=deleted.rows, before=before)
        return deleted.rows

    return runtime.database.run(work)
