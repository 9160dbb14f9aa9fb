"""Outcomes: the new status of a message after the gateway's answer, and how it is recorded."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from msgspec.structs import replace

from consent_tokens.evidence.events import EventKind, message_event
from consent_tokens.evidence.rollups import of_outcomes
from consent_tokens.gateways.base import (
    Faulty,
    Rejected,
    SubmitOutcome,
    Submitted,
    Throttled,
    Uncertain,
    Unsent,
)
from consent_tokens.relay.decision import Reason
from consent_tokens.relay.message import (
    MAX_ATTEMPTS,
    Message,
    MessageOutcome,
    MessageStatus,
    Priority,
)
from consent_tokens.services import webhooks
from consent_tokens.services.rollups.counting import count
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import message_segments, outbox
from consent_tokens.store.database import Transaction
from consent_tokens.store.round_trips import one_round_trip

_Pair: TypeAlias = tuple[Message, MessageOutcome]

RETRY_DELAY: Final = timedelta(seconds=1)  # after throttling, or without a session
BACK_OFF: Final = timedelta(seconds=5)  # times the number of attempts so far
MAX_CLOCK_SKEW: Final = timedelta(seconds=20)  # between the clocks of two dispatchers
UNCERTAIN: Final = "gateway_uncertain"  # the session was lost before the gateway answered
QUARANTINED: Final = "quarantined"  # the message itself caused an error
QUARANTINE_REASONS: Final = frozenset({UNCERTAIN, QUARANTINED})

EVENT_KINDS: Final = {
    MessageStatus.DELIVERED: EventKind.MESSAGE_REPORTED,  # of a sandbox only
    MessageStatus.SENT: EventKind.MESSAGE_SUBMITTED,
    MessageStatus.REFUSED: EventKind.MESSAGE_REFUSED,
    MessageStatus.UNDELIVERABLE: EventKind.MESSAGE_FAILED,
    MessageStatus.EXPIRED: EventKind.MESSAGE_EXPIRED,
    MessageStatus.UNKNOWN: EventKind.MESSAGE_UNKNOWN,
    MessageStatus.DEFERRED: EventKind.MESSAGE_DEFERRED,
}


def is_quarantined(message: Message) -> bool:
    """Whether a message was in flight when the session was lost, or caused an error itself.

    Such a message is submitted alone, so that repeating the failure affects no other message.
    """
    return message.reason in QUARANTINE_REASONS


def outcome_of(message: Message, answer: SubmitOutcome, now: datetime) -> MessageOutcome:
    """Return the outcome of a message after the gateway's answer."""
    match answer:
        case Submitted(gateway_id=gateway_id, segment_ids=segment_ids):
            return final_outcome(
                message,
                MessageStatus.SENT,
                message.send_at,
                gateway_id=gateway_id,
                segment_ids=segment_ids,
            )
        case Rejected(reason=reason):
            return final_outcome(
                message, MessageStatus.UNDELIVERABLE, message.send_at, reason=reason
            )
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
    """Return the outcome of a message that may or may not have been sent.

    Transactional messages are sent again (at least once), marketing is not (at most once). A
    message is given up after `max_attempts`, because it may be what breaks the session; None sets
    no limit, for leases that expired because the dispatcher crashed.
    """
    is_exhausted = max_attempts is not None and message.attempts >= max_attempts
    if message.priority is Priority.MARKETING or is_exhausted:
        return final_outcome(message, MessageStatus.UNKNOWN, message.send_at, reason=UNCERTAIN)
    return _retry(message, now + RETRY_DELAY * min(message.attempts, MAX_ATTEMPTS), UNCERTAIN)


def final_outcome(
    message: Message,
    status: MessageStatus,
    send_at: datetime,
    *,
    reason: str | None = None,
    gateway_id: str | None = None,
    segment_ids: tuple[str | None, ...] = (),
) -> MessageOutcome:
    """Return the outcome of a message that does not return to the outbox."""
    return MessageOutcome(
        key=message.key,
        attempts=message.attempts,
        status=status,
        send_at=send_at,
        reason=reason,
        gateway_id=gateway_id,
        segment_ids=segment_ids,
    )


def expired_outcome(message: Message, now: datetime) -> MessageOutcome:
    """Return the outcome of a message whose validity has ended."""
    if message.reason == Reason.HELD_BACK and not message.is_held_back:
        return final_outcome(message, MessageStatus.REFUSED, now, reason=message.reason)
    return final_outcome(message, MessageStatus.EXPIRED, now)


def deferred(message: Message, send_at: datetime, reason: str | None = None) -> MessageOutcome:
    """Return the outcome of a message that may leave later, at `send_at`."""
    return MessageOutcome(
        key=message.key,
        attempts=message.attempts,
        status=MessageStatus.DEFERRED,
        send_at=send_at,
        reason=reason,
        counts_as_attempt=False,
    )


def _retry(
    message: Message, send_at: datetime, reason: str | None, *, counts_as_attempt: bool = True
) -> MessageOutcome:
    """Return the outcome that puts a message back into the outbox, due at `send_at`."""
    return MessageOutcome(
        key=message.key,
        attempts=message.attempts,
        status=MessageStatus.QUEUED,
        send_at=send_at,
        reason=reason,
        counts_as_attempt=counts_as_attempt,
    )


def complete(
    runtime: Runtime, transaction: Transaction, pairs: Sequence[_Pair], now: datetime
) -> None:
    """Record outcomes, with an event and a webhook event each.

    Skips messages whose lease was lost to another dispatcher.
    """
    if recorded := settle(runtime, transaction, pairs, now):
        with one_round_trip(transaction):
            insert_evidence(runtime, transaction, recorded, now)


def settle(
    runtime: Runtime, transaction: Transaction, pairs: Sequence[_Pair], now: datetime
) -> list[_Pair]:
    """Record outcomes without what `insert_evidence` inserts; return those that are recorded.

    Left out are messages whose lease was lost to another dispatcher.
    """
    completed = outbox.complete(transaction, [outcome for _, outcome in pairs], now)
    recorded = [pair for pair in pairs if pair[1].key in completed]
    announced = [
        webhooks.message_status_event(
            runtime, message.key, message.merchant_id, message.reference, outcome
        )
        for message, outcome in recorded
        if message.merchant_id
        and (outcome.status.is_failure or outcome.status is MessageStatus.DELIVERED)
    ]
    webhooks.enqueue(runtime, transaction, announced, now)
    return recorded


def insert_evidence(
    runtime: Runtime, transaction: Transaction, recorded: Sequence[_Pair], now: datetime
) -> None:
    """Insert segments, events and counts of recorded outcomes; may be sent in one round trip."""
    message_segments.add(transaction, [outcome for _, outcome in recorded], now)
    runtime.record(
        transaction,
        *(
            replace(
                message_event(message, EVENT_KINDS[outcome.status], now, outcome.reason),
                rules=outcome.rules,
                inputs=outcome.inputs,
            )
            for message, outcome in recorded
            if outcome.status in EVENT_KINDS
        ),
    )
    count(runtime, transaction, of_outcomes(recorded, now))


def recover_expired_leases(runtime: Runtime, *, is_only_dispatcher: bool = False) -> int:
    """Complete or requeue the messages whose lease expired; return how many.

    With `is_only_dispatcher` every lease counts as expired, because the dispatcher that took it is
    no longer running.
    """
    now = runtime.clock.now()

    def work(transaction: Transaction) -> int:
        expired_before = None if is_only_dispatcher else now - MAX_CLOCK_SKEW
        expired = outbox.expired_leases(transaction, expired_before)
        pairs = [(each, outcome_after_uncertainty(each, now)) for each in expired]
        complete(runtime, transaction, pairs, now)
        return len(expired)

    return runtime.database.run(work)
