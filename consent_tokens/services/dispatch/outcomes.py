"""What becomes of a message that a dispatcher had in its hands, and the record of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.app_context import AppContext
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.gateways.base import (
    Faulty,
    Rejected,
    Submitted,
    Throttled,
    Uncertain,
    Unsent,
)
from consent_tokens.gateways.base import (
    SubmitOutcome as Answer,
)
from consent_tokens.relay.message import (
    MAX_ATTEMPTS,
    Message,
    MessageOutcome,
    MessageStatus,
    Priority,
)
from consent_tokens.services.webhooks import enqueue, message_event
from consent_tokens.store import events, messages
from consent_tokens.store.database import Transaction

RETRY_DELAY: Final = timedelta(seconds=1)  # the gateway asked for patience, or the line was gone
BACK_OFF: Final = timedelta(seconds=5)  # times the number of tries so far
MAX_CLOCK_SKEW: Final = timedelta(seconds=20)  # how far the clocks of two dispatchers may be apart
UNCERTAIN: Final = "gateway_uncertain"
QUARANTINED: Final = "set_aside"  # after five tries: it fails by itself, not by the gateway's state
QUARANTINE_REASONS: Final = frozenset(
    {UNCERTAIN, QUARANTINED}
)  # leave alone, one by one: see `is_suspect`

EVENT_KINDS: Final = {
    MessageStatus.SENT: EventKind.MESSAGE_SUBMITTED,
    MessageStatus.REFUSED: EventKind.MESSAGE_REFUSED,
    MessageStatus.UNDELIVERABLE: EventKind.MESSAGE_FAILED,
    MessageStatus.EXPIRED: EventKind.MESSAGE_EXPIRED,
    MessageStatus.UNKNOWN: EventKind.MESSAGE_UNKNOWN,
    MessageStatus.DEFERRED: EventKind.MESSAGE_DEFERRED,
}


def is_quarantined(message: Message) -> bool:
    """Whether it was in the line's hands when that broke, or broke something itself.

    Such a message goes alone, so that what it breaks again is nobody else's.
    """
    return message.reason in QUARANTINE_REASONS


def outcome_of(message: Message, answer: Answer, now: datetime) -> MessageOutcome:
    """Return what becomes of a message after the gateway's answer."""
    match answer:
        case Submitted(gateway_id=gateway_id):
            return final_outcome(
                message, MessageStatus.SENT, message.send_at, gateway_id=gateway_id
            )
        case Rejected(reason=code):
            return final_outcome(message, MessageStatus.UNDELIVERABLE, message.send_at, reason=code)
        case Throttled() | Unsent():
            return _retry(message, now + RETRY_DELAY, message.reason, counts_as_attempt=False)
        case Faulty():
            return _outcome_after_fault(message, now)
        case Uncertain():
            return outcome_after_uncertainty(message, now, max_attempts=MAX_ATTEMPTS)


def _outcome_after_fault(message: Message, now: datetime) -> MessageOutcome:
    if message.attempts >= MAX_ATTEMPTS:
        return final_outcome(
            message, MessageStatus.UNDELIVERABLE, message.send_at, reason=QUARANTINED
        )
    return _retry(message, now + BACK_OFF * message.attempts, QUARANTINED)


def outcome_after_uncertainty(
    message: Message, now: datetime, *, max_attempts: int | None = None
) -> MessageOutcome:
    """Return what becomes of a message that may have left.

    Transactional messages are tried again (at least once), marketing is not (at most once). One at
    which the line breaks each time is given up after `most_tries`; a crash of ours is not its
    fault.
    """
    is_given_up = max_attempts is not None and message.attempts >= max_attempts
    if message.priority is Priority.MARKETING or is_given_up:
        return final_outcome(message, MessageStatus.UNKNOWN, message.send_at, reason=UNCERTAIN)
    return _retry(message, now + RETRY_DELAY * min(message.attempts, MAX_ATTEMPTS), UNCERTAIN)


def final_outcome(
    message: Message,
    state: MessageStatus,
    send_at: datetime,
    *,
    reason: str | None = None,
    gateway_id: str | None = None,
) -> MessageOutcome:
    """Return the outcome of a message that does not go back to the outbox."""
    return MessageOutcome(
        key=message.key,
        attempts=message.attempts,
        status=state,
        send_at=send_at,
        reason=reason,
        gateway_id=gateway_id,
    )


def _retry(
    message: Message, send_at: datetime, reason: str | None, *, counts_as_attempt: bool = True
) -> MessageOutcome:
    """Return a message to the outbox, until it expires."""
    return MessageOutcome(
        key=message.key,
        attempts=message.attempts,
        status=MessageStatus.QUEUED,
        send_at=send_at,
        reason=reason,
        counts_as_attempt=counts_as_attempt,
    )


def complete(
    world: AppContext,
    transaction: Transaction,
    pairs: Sequence[tuple[Message, MessageOutcome]],
    now: datetime,
) -> None:
    """Write what became of messages, and a line of evidence for each that was still ours."""
    still_ours = messages.complete(transaction, [outcome for _, outcome in pairs], now)
    ours = [pair for pair in pairs if pair[1].key in still_ours]
    lines = [
        Event(
            partition=message.key.partition,
            at=now,
            kind=EVENT_KINDS[outcome.status],
            merchant_id=message.merchant_id,
            grant_id=message.grant_id,
            message_id=message.key.id,
            reason=outcome.reason,
        )
        for message, outcome in ours
        if outcome.status in EVENT_KINDS
    ]
    events.record(transaction, lines, world.random.token_bytes)
    news = [
        message_event(world, message.key, message.merchant_id, message.reference, outcome)
        for message, outcome in ours
        if outcome.status.is_failure and message.merchant_id
    ]
    enqueue(world, transaction, news, now)


def recover_expired_leases(world: AppContext, *, is_alone: bool = False) -> int:
    """Settle what a dispatcher that did not come back held in its hands; return how many.

    `is_alone` says that there is no other dispatcher: then nothing is in anybody's hands.
    """
    now = world.clock.now()

    def deed(transaction: Transaction) -> int:
        lost = messages.expired_leases(transaction, None if is_alone else now - MAX_CLOCK_SKEW)
        complete(
            world, transaction, [(each, outcome_after_uncertainty(each, now)) for each in lost], now
        )
        return len(lost)

    return world.database.run(deed)
