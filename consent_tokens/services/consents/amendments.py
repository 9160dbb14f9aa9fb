"""Amend a grant: narrow, pause, resume or extend it, never beyond what was asked.

`undo` takes a narrowing or a pause back.

The merchant's token says the most that was ever agreed; the row says what is agreed now, and the
relay honours the smaller of the two. The earlier terms are kept (promise 10).
Each amendment goes to the revocation journal before it is confirmed (promise 3), so all of them
raise JournalUnavailableError.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final, NamedTuple

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.request import MAX_VALID_DAYS
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind, grant_event
from consent_tokens.evidence.journal import EntryKind, GrantAmended
from consent_tokens.row_key import RowKey
from consent_tokens.services import webhooks
from consent_tokens.services.integrity.journal_outbox import (
    enqueue_entry,
    ensure_writable,
    flush_journal,
)
from consent_tokens.services.outbox.in_flight_wait import wait_until_not_in_flight
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, merchant_consents, outbox
from consent_tokens.store.database import Transaction

EXTENSIONS: Final = tuple(timedelta(days=days) for days in (30, 90, 180))  # by so much at a time
BATCH_SIZE: Final = 200


class Amendment(StrEnum):
    """How a grant was amended."""

    NARROWED = "narrowed"
    WIDENED = "widened"  # to what it was before a narrowing
    PAUSED = "paused"
    RESUMED = "resumed"
    EXTENDED = "extended"


_Change = Callable[[Grant, datetime], Grant]


class Amended(NamedTuple):
    """A grant after an amendment, and the id of the change in its history; None if it is equal."""

    grant: Grant
    change_id: int | None


def own_grant_key(runtime: Runtime, partition: int, public_id: str) -> RowKey:
    """Return the row key of a recipient's own grant. Raises NotFoundError, also for another's."""
    key = runtime.ids.grant.decode(public_id)
    if key is None or key.partition != partition:
        raise NotFoundError("no consent of yours")
    return key


def narrow(runtime: Runtime, key: RowKey, reduction: ScopeReduction) -> Amended:
    """Return a grant with a narrower scope. Raises InvalidError, NotFoundError, ConflictError."""
    return _commit(runtime, key, partial(_narrow_within, runtime, key=key, reduction=reduction))


def narrow_within(
    runtime: Runtime, transaction: Transaction, key: RowKey, reduction: ScopeReduction
) -> Grant:
    """Narrow a grant within a transaction; for pages and replies alike.

    The caller flushes the journal after the commit.
    """
    return _narrow_within(runtime, transaction, key, reduction).grant


def _narrow_within(
    runtime: Runtime, transaction: Transaction, key: RowKey, reduction: ScopeReduction
) -> Amended:

    def change(grant: Grant, now: datetime) -> Grant:
        ends = now + timedelta(days=reduction.days) if reduction.days is not None else None
        try:
            return grant.with_scope(now, grant.scope.narrowed_by(reduction, ends=ends))
        except ValueError as error:
            raise InvalidError({"scope": [str(error)]}) from None

    return _amend(runtime, transaction, key, change, Amendment.NARROWED)


def pause(runtime: Runtime, key: RowKey, until: datetime | None = None) -> Grant:
    """Return a paused grant: until a given time, or until its consumer resumes it.

    Raises NotFoundError, ConflictError if it has ended.
    """
    return _commit(runtime, key, partial(_pause_within, runtime, key=key, until=until)).grant


def _pause_within(
    runtime: Runtime, transaction: Transaction, key: RowKey, until: datetime | None
) -> Amended:
    """Pause a grant, or change until when it is paused."""
    locked = grants.lock_one(transaction, key)
    is_paused = locked is not None and locked.grant.status is GrantStatus.PAUSED
    has_new_end = grants.pause_end_of(transaction, key) != until
    grants.set_pause_end(transaction, key, until)
    amended = _amend(runtime, transaction, key, Grant.paused, Amendment.PAUSED)
    if is_paused and has_new_end:
        enqueue_terms(runtime, transaction, amended.grant, Amendment.PAUSED)
    return amended


def pause_merchant(
    runtime: Runtime, partition: int, merchant_id: str, until: datetime | None = None
) -> list[Amended]:
    """Pause the live grants of a recipient to a merchant, in one transaction; return them.

    A grant that is paused already keeps the end of its pause. None is returned after a stop.
    """
    ensure_writable(runtime)

    def work(transaction: Transaction) -> list[Amended]:
        live = _with_status(runtime, transaction, partition, merchant_id, GrantStatus.LIVE)
        return [_pause_within(runtime, transaction, each.key, until) for each in live]

    paused = runtime.database.run(work)
    flush_journal(runtime)
    ids = [each.grant.key.id for each in paused]
    wait_until_not_in_flight(
        runtime,
        lambda transaction: outbox.in_flight_under_grants(
            transaction, partition, ids, runtime.clock.now()
        ),
    )
    return paused


def resume_merchant(runtime: Runtime, partition: int, merchant_id: str) -> list[Grant]:
    """Resume the paused grants of a recipient to a merchant, in one transaction; return them."""
    ensure_writable(runtime)

    def work(transaction: Transaction) -> list[Grant]:
        paused = _with_status(runtime, transaction, partition, merchant_id, GrantStatus.PAUSED)
        return [resume_within(runtime, transaction, each.key) for each in paused]

    resumed = runtime.database.run(work)
    flush_journal(runtime)
    return resumed


def _with_status(
    runtime: Runtime,
    transaction: Transaction,
    partition: int,
    merchant_id: str,
    status: GrantStatus,
) -> list[Grant]:
    """Lock a recipient's grants to a merchant; return those of a status."""
    merchant_consents.lock(transaction, partition, merchant_id)
    found = grants.of_recipient_to_merchant(transaction, partition, merchant_id)
    locked = grants.lock(transaction, [each.key for each in found])
    now = runtime.clock.now()
    return [each.grant for each in locked.values() if each.grant.status_at(now) is status]


def resume(runtime: Runtime, key: RowKey) -> Grant:
    """Return a live grant after a pause. Raises NotFoundError, ConflictError if it has ended."""
    ensure_writable(runtime)
    resumed = runtime.database.run(partial(resume_within, runtime, key=key))
    flush_journal(runtime)
    return resumed


def resume_within(runtime: Runtime, transaction: Transaction, key: RowKey) -> Grant:
    """End a pause within a transaction. The caller flushes the journal after the commit."""
    grants.lock_one(transaction, key)
    grants.set_pause_end(transaction, key, None)
    return _amend(runtime, transaction, key, Grant.resumed, Amendment.RESUMED).grant


def extend(runtime: Runtime, key: RowKey, by: timedelta) -> Grant:
    """Return a grant that lasts longer. Raises InvalidError, NotFoundError, ConflictError.

    The merchant's token keeps its own end until the merchant renews it.
    """
    if by not in EXTENSIONS:
        raise InvalidError({"days": ["not_offered"]})

    def change(grant: Grant, now: datetime) -> Grant:
        ends = min(grant.scope.ends_at + by, now + timedelta(days=MAX_VALID_DAYS))
        return grant.with_scope(now, grant.scope.with_end(ends))

    ensure_writable(runtime)
    extended = runtime.database.run(
        lambda transaction: _amend(runtime, transaction, key, change, Amendment.EXTENDED)
    )
    flush_journal(runtime)
    return extended.grant


def resume_due_pauses(runtime: Runtime, transaction: Transaction, now: datetime) -> int:
    """Resume the grants whose pause is over; return how many."""
    due = grants.due_pauses(transaction, now, BATCH_SIZE)
    for key in due:
        locked = grants.lock_one(transaction, key)
        if locked and locked.grant.status_at(now) is GrantStatus.PAUSED:
            resume_within(runtime, transaction, key)
        else:  # it has ended, or was resumed already
            grants.set_pause_end(transaction, key, None)
    return len(due)


def _amend(
    runtime: Runtime, transaction: Transaction, key: RowKey, change: _Change, amendment: Amendment
) -> Amended:
    now = runtime.clock.now()
    locked = grants.lock_one(transaction, key)
    if locked is None:
        raise NotFoundError("no consent of yours")
    if locked.wrapped_key is None:
        raise ConflictError("this consent has ended")
    before, after = locked.grant, change(locked.grant, now)
    if before == after:
        return Amended(after, None)
    change_id = record_amendment(runtime, transaction, before, after, amendment)
    enqueue_terms(runtime, transaction, after, amendment)
    return Amended(after, change_id)


def record_amendment(
    runtime: Runtime, transaction: Transaction, before: Grant, after: Grant, amendment: Amendment
) -> int:
    """Save the new terms of a locked grant, with the history, the event and the webhook.

    Returns the id of the change in the history.
    """
    now = runtime.clock.now()
    change_key = runtime.new_key(after.key.partition)
    grants.record_change(
        transaction, before, after, amendment=amendment.value, key=change_key, at=now
    )
    runtime.record(transaction, grant_event(after, EventKind.GRANT_CHANGED, now, amendment.value))
    webhooks.enqueue(runtime, transaction, [webhooks.grant_changed_event(runtime, after)], now)
    return change_key.id


def enqueue_terms(
    runtime: Runtime, transaction: Transaction, amended: Grant, amendment: Amendment
) -> None:
    """Queue the terms of a grant for the revocation journal."""
    terms = GrantAmended.of(amended, grants.pause_end_of(transaction, amended.key))
    enqueue_entry(runtime, transaction, EntryKind(amendment), terms)


def _commit(runtime: Runtime, key: RowKey, work: Callable[[Transaction], Amended]) -> Amended:
    """Commit and journal an amendment; wait until no message is in flight under older terms."""
    ensure_writable(runtime)
    changed = runtime.database.run(work)
    flush_journal(runtime)
    wait_until_not_in_flight(
        runtime,
        lambda transaction: outbox.in_flight_under_grant(transaction, key, runtime.clock.now()),
    )
    return changed
