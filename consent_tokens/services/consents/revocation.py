"""A consent ends: the consumer takes it back, the merchant lets go, or its day has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consent_tokens.app_context import AppContext
from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.evidence.events import Event, EventKind, grant_ended
from consent_tokens.evidence.receipts import Propagation
from consent_tokens.relay.decision import Reason
from consent_tokens.relay.message import Message, MessageStatus
from consent_tokens.services.consents.receipts import issue_withdrawal_receipt
from consent_tokens.services.integrity.journal_outbox import ensure_writable, flush_journal
from consent_tokens.services.outbox.in_flight import wait_until_not_in_flight
from consent_tokens.services.webhooks import enqueue, grant_event, message_event
from consent_tokens.store import checkpoints as marks
from consent_tokens.store import events, grants, messages, recipients, requests
from consent_tokens.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Revocation:
    """A grant that is over, and how many of its messages left while it ended."""

    grant: Grant
    submitted_meanwhile: int


def revoke(world: AppContext, key: RowKey, reason: EndReason) -> Revocation | None:
    """End a grant, for good; None if there is none.

    When this returns, nothing under the grant leaves that the gateway does not already have, and
    nobody can open its number, with whatever keys (promise 3): its key is destroyed, and any
    message that a dispatcher held in its hands at that moment has been waited for. Ending an ended
    grant changes nothing and is no fault. Raises JournalUnavailableError: a revocation that a
    restored database would forget is none.
    """
    ensure_writable(world)
    ended = world.database.run(lambda transaction: revoke_within(world, transaction, key, reason))
    if ended is None:
        return None
    flush_journal(world)
    world.database.truncate_wal()
    left = wait_until_not_in_flight(
        world,
        lambda transaction: messages.in_flight_under_grant(transaction, key, world.clock.now()),
    )
    return Revocation(ended, left)


def revoke_within(
    world: AppContext, transaction: Transaction, key: RowKey, reason: EndReason
) -> Grant | None:
    """End a grant within a transaction; the same deed for a page, an API call and a reply."""
    now = world.clock.now()
    held = grants.lock_one(transaction, key)
    if held is None:
        return None
    ended = held.grant.ended(now, reason)
    if ended != held.grant:
        grants.record_end(transaction, ended)
        requests.delete_token_of(transaction, key)
        events.record(transaction, [grant_ended(ended, reason)], world.random.token_bytes)
        if reason not in {EndReason.EXPIRY, EndReason.JOURNAL} and world.database.has_journal:
            marks.enqueue_journal_entry(transaction, key, now)
        enqueue(world, transaction, [grant_event(world, ended, reason)], now)
        stopped = messages.refuse_queued(transaction, key, Reason.CONSENT_REVOKED.value, now)
        _record_refused(world, transaction, stopped, now)
        last = messages.last_submitted_at(transaction, key)
        issue_withdrawal_receipt(
            world,
            transaction,
            ended,
            reason,
            Propagation(stopped_messages=len(stopped), last_submitted_at=last),
        )
        has_wishes = world.database.has_wishes
        recipients.delete_if_unused(transaction, key.partition, has_wishes=has_wishes)
    return ended


def _record_refused(
    world: AppContext, transaction: Transaction, stopped: Sequence[Message], now: datetime
) -> None:
    """Record that what waited under a grant is not sent, and tell the merchant."""
    lines = [
        Event(
            partition=message.key.partition,
            at=now,
            kind=EventKind.MESSAGE_REFUSED,
            merchant_id=message.merchant_id,
            grant_id=message.grant_id,
            message_id=message.key.id,
            reason=Reason.CONSENT_REVOKED.value,
        )
        for message in stopped
    ]
    events.record(transaction, lines, world.random.token_bytes)
    outcome = MessageStatus.REFUSED, Reason.CONSENT_REVOKED.value
    news = [
        message_event(world, message.key, message.merchant_id, message.reference, outcome)
        for message in stopped
    ]
    enqueue(world, transaction, news, now)
