"""Revoke a grant: by its consumer, its merchant, or because its time is over.

Revocation destroys the grant's key, so that nobody can open its number any more (promise 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.evidence.events import EventKind, grant_event, message_event
from consent_tokens.evidence.journal import EntryKind, GrantRevoked
from consent_tokens.evidence.receipts import Propagation
from consent_tokens.relay.decision import Reason
from consent_tokens.relay.message import Message, MessageStatus
from consent_tokens.row_key import RowKey
from consent_tokens.services import webhooks
from consent_tokens.services.consents.receipts import issue_withdrawal_receipt
from consent_tokens.services.consents.tokens import claims_of_merchant
from consent_tokens.services.integrity.journal_outbox import (
    enqueue_entry,
    ensure_writable,
    flush_journal,
)
from consent_tokens.services.outbox.in_flight_wait import wait_until_not_in_flight
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, messages, outbox, requests
from consent_tokens.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Revocation:
    """An ended grant, and how many of its messages were in flight at that moment."""

    grant: Grant
    submitted_meanwhile: int


def revoke(
    runtime: Runtime, key: RowKey, reason: EndReason, *, is_spread: bool = False
) -> Revocation | None:
    """End a grant for good, and return once that is final; None if there is no such grant.

    When this returns, nothing leaves under the grant that the gateway does not already have, and
    nobody can open its number, even with all other keys (promise 3): its key is destroyed, and no
    message of it is in flight any more. Revoking an ended grant changes nothing.

    `is_spread` is for one act that ends consents at several merchants: see `webhooks.enqueue`.
    Raises JournalUnavailableError, because a restored database would forget the revocation.
    """
    ensure_writable(runtime)
    ended = runtime.database.run(
        lambda transaction: revoke_within(runtime, transaction, key, reason, is_spread=is_spread)
    )
    if ended is None:
        return None
    flush_journal(runtime)
    runtime.database.truncate_wal()
    in_flight = wait_until_not_in_flight(
        runtime,
        lambda transaction: outbox.in_flight_under_grant(transaction, key, runtime.clock.now()),
    )
    return Revocation(ended, in_flight)


def revoke_by_token(runtime: Runtime, merchant_id: str, token: str) -> None:
    """End the grant of a merchant's token; any other token changes nothing (RFC 7009, 2.2).

    Raises as `revoke` does.
    """
    claims = claims_of_merchant(runtime, merchant_id, token)
    key = runtime.ids.grant.decode(claims.jti) if claims else None
    if key is not None:
        revoke(runtime, key, EndReason.MERCHANT)


def revoke_within(
    runtime: Runtime,
    transaction: Transaction,
    key: RowKey,
    reason: EndReason,
    *,
    is_spread: bool = False,
) -> Grant | None:
    """End a grant within a transaction; for pages, API calls and replies alike."""
    now = runtime.clock.now()
    locked = grants.lock_one(transaction, key)
    if locked is None:
        return None
    ended = locked.grant.ended(now, reason)
    if ended != locked.grant:
        grants.record_end(transaction, ended)
        requests.delete_token_of(transaction, key)
        kind = EventKind.GRANT_ENDED
        runtime.record(transaction, grant_event(ended, kind, ended.status_since, reason.value))
        if reason not in {EndReason.EXPIRY, EndReason.JOURNAL}:
            enqueue_entry(runtime, transaction, EntryKind.REVOKED, GrantRevoked(key))
        event = webhooks.grant_event(runtime, ended, reason)
        webhooks.enqueue(runtime, transaction, [event], now, is_spread=is_spread)
        refused = outbox.refuse_queued(transaction, key, Reason.CONSENT_REVOKED.value, now)
        _record_refused(runtime, transaction, refused, now, is_spread=is_spread)
        last = messages.last_submitted_at(transaction, key)
        issue_withdrawal_receipt(
            runtime,
            transaction,
            ended,
            reason,
            Propagation(stopped_messages=len(refused), last_submitted_at=last),
        )
    return ended


def _record_refused(
    runtime: Runtime,
    transaction: Transaction,
    refused: Sequence[Message],
    now: datetime,
    *,
    is_spread: bool,
) -> None:
    """Record that what waited under a grant is not sent, and tell the merchant."""
    reason = Reason.CONSENT_REVOKED.value
    runtime.record(
        transaction,
        *(message_event(each, EventKind.MESSAGE_REFUSED, now, reason) for each in refused),
    )
    outcome = MessageStatus.REFUSED, reason
    webhooks.enqueue(
        runtime,
        transaction,
        [
            webhooks.message_status_event(
                runtime, each.key, each.merchant_id, each.reference, outcome
            )
            for each in refused
        ],
        now,
        is_spread=is_spread,
    )
