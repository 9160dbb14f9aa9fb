"""What becomes of a message that a dispatcher had in its hands, and the record of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.app_context import World
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.gateways.base import (
    Faulty,
    Rejected,
    Submitted,
    Throttled,
    Uncertain,
    Unsent,
)
from consent_tokens.gateways.base import (
    Outcome as Answer,
)
from consent_tokens.relay.message import (
    MOST_TRIES,
    Message,
    MessageState,
    Outcome,
    Rank,
)
from consent_tokens.services.webhooks import announce, of_message
from consent_tokens.store import events, messages
from consent_tokens.store.database import Transaction

SOON: Final = timedelta(seconds=1)  # the gateway asked for patience, or the line was gone
BACK_OFF: Final = timedelta(seconds=5)  # times the number of tries so far
SKEW: Final = timedelta(seconds=20)  # how far the clocks of two dispatchers may be apart
UNCERTAIN: Final = "gateway_uncertain"
SET_ASIDE: Final = "set_aside"  # after five tries: it fails by itself, not by the gateway's state
SUSPECT: Final = frozenset({UNCERTAIN, SET_ASIDE})  # leave alone, one by one: see `is_suspect`

KINDS: Final = {
    MessageState.SENT: Kind.MESSAGE_LEFT,
    MessageState.REFUSED: Kind.MESSAGE_REFUSED,
    MessageState.UNDELIVERABLE: Kind.MESSAGE_FAILED,
    MessageState.EXPIRED: Kind.MESSAGE_EXPIRED,
    MessageState.UNKNOWN: Kind.MESSAGE_UNKNOWN,
    MessageState.DEFERRED: Kind.MESSAGE_DEFERRED,
}


def is_suspect(message: Message) -> bool:
    """Whether it was in the line's hands when that broke, or broke something itself.

    Such a message goes alone, so that what it breaks again is nobody else's.
    """
    return message.reason in SUSPECT


def after(message: Message, answer: Answer, now: datetime) -> Outcome:
    """Return what becomes of a message after the gateway's answer."""
    match answer:
        case Submitted(gateway_id=gateway_id):
            return ended(message, MessageState.SENT, message.leaves, gateway_id=gateway_id)
        case Rejected(code=code):
            return ended(message, MessageState.UNDELIVERABLE, message.leaves, reason=code)
        case Throttled() | Unsent():
            return _again(message, now + SOON, message.reason, was_tried=False)
        case Faulty():
            return _after_fault(message, now)
        case Uncertain():
            return after_uncertainty(message, now, most_tries=MOST_TRIES)


def _after_fault(message: Message, now: datetime) -> Outcome:
    if message.attempts >= MOST_TRIES:
        return ended(message, MessageState.UNDELIVERABLE, message.leaves, reason=SET_ASIDE)
    return _again(message, now + BACK_OFF * message.attempts, SET_ASIDE)


def after_uncertainty(message: Message, now: datetime, *, most_tries: int | None = None) -> Outcome:
    """Return what becomes of a message that may have left.

    Transactional messages are tried again (at least once), marketing is not (at most once). One at
    which the line breaks each time is given up after `most_tries`; a crash of ours is not its
    fault.
    """
    is_given_up = most_tries is not None and message.attempts >= most_tries
    if message.rank is Rank.MARKETING or is_given_up:
        return ended(message, MessageState.UNKNOWN, message.leaves, reason=UNCERTAIN)
    return _again(message, now + SOON * min(message.attempts, MOST_TRIES), UNCERTAIN)


def ended(
    message: Message,
    state: MessageState,
    leaves: datetime,
    *,
    reason: str | None = None,
    gateway_id: str | None = None,
) -> Outcome:
    """Return the outcome of a message that does not go back to the outbox."""
    return Outcome(
        address=message.address,
        attempts=message.attempts,
        state=state,
        leaves=leaves,
        reason=reason,
        gateway_id=gateway_id,
    )


def _again(
    message: Message, leaves: datetime, reason: str | None, *, was_tried: bool = True
) -> Outcome:
    """Return a message to the outbox, until it expires."""
    return Outcome(
        address=message.address,
        attempts=message.attempts,
        state=MessageState.QUEUED,
        leaves=leaves,
        reason=reason,
        was_tried=was_tried,
    )


def conclude(
    world: World,
    transaction: Transaction,
    pairs: Sequence[tuple[Message, Outcome]],
    now: datetime,
) -> None:
    """Write what became of messages, and a line of evidence for each that was still ours."""
    still_ours = messages.conclude(transaction, [outcome for _, outcome in pairs], now)
    ours = [pair for pair in pairs if pair[1].address in still_ours]
    lines = [
        Event(
            home=message.address.home,
            at=now,
            kind=KINDS[outcome.state],
            merchant_id=message.merchant_id,
            grant=message.grant_number,
            message=message.address.number,
            code=outcome.reason,
        )
        for message, outcome in ours
        if outcome.state in KINDS
    ]
    events.record(transaction, lines, world.chance.draw)
    news = [
        of_message(world, message.address, message.merchant_id, message.reference, outcome)
        for message, outcome in ours
        if outcome.state.is_failure and message.merchant_id
    ]
    announce(world, transaction, news, now)


def recover(world: World, *, is_alone: bool = False) -> int:
    """Settle what a dispatcher that did not come back held in its hands; return how many.

    `is_alone` says that there is no other dispatcher: then nothing is in anybody's hands.
    """
    now = world.clock.now()

    def deed(transaction: Transaction) -> int:
        lost = messages.stale(transaction, None if is_alone else now - SKEW)
        conclude(world, transaction, [(each, after_uncertainty(each, now)) for each in lost], now)
        return len(lost)

    return world.store.run(deed)
