"""Messages leave: lease, decide again, open, submit, record.

Two transactions with the line between them. In the first a message is taken into the hands of this
dispatcher, and in that same step its grant is read again and its key taken: what was revoked by
then does not leave (promises 2 and 3). The number is opened after it, for the time of one
submission. The second records what became of it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from consent_tokens.consent.grant import Grant
from consent_tokens.crypto.handles import Address
from consent_tokens.crypto.sealing import unwrap
from consent_tokens.errors import KeyUnavailableError, SealBrokenError
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.flow.answer import binding_of
from consent_tokens.flow.end import LEASE_SECONDS
from consent_tokens.flow.prove import open_service_message
from consent_tokens.gateways.base import (
    Outcome as Answer,
)
from consent_tokens.gateways.base import (
    Rejected,
    Submission,
    Submitted,
    Throttled,
    Uncertain,
)
from consent_tokens.relay.composition import Coding, Composed, compose, dress
from consent_tokens.relay.decision import Accepted, Case, Deferred, Reason, Refused, decide
from consent_tokens.relay.message import (
    MOST_TRIES,
    Message,
    MessageState,
    Outcome,
    Rank,
)
from consent_tokens.store import events, grants, merchants, messages
from consent_tokens.store.engine import Transaction
from consent_tokens.store.grants import Held
from consent_tokens.store.merchants import Merchant, Sender, is_active
from consent_tokens.tokens.mint import open_number
from consent_tokens.world import World

log = structlog.get_logger()

MOST_AT_ONCE: Final = 500
LEASE: Final = timedelta(seconds=LEASE_SECONDS)
# a dispatcher that was held up for longer hands nothing over: its lease is about to be another's
HANDS_OVER_WITHIN: Final = LEASE_SECONDS / 2
BACK_OFF: Final = timedelta(seconds=5)  # times the number of tries so far
UNCOMPOSED: Final = Composed(Coding.GSM7, (b"",))


@dataclass(frozen=True, slots=True)
class Departure:
    """A message in our hands that may leave, with all that is needed to open its number."""

    message: Message
    grant: Grant | None
    wrapped_key: bytes
    sender: Sender | None


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What one round did: how many messages it took up, and what became of each."""

    taken: int
    became: Mapping[MessageState, int]


def dispatch(world: World, most: int = MOST_AT_ONCE) -> Dispatched:
    """Let what is due leave, transactional before marketing, at most `most` messages."""
    begun = world.clock.elapsed()
    departures, concluded = world.store.run(lambda transaction: _take(world, transaction, most))
    answers = _hand_over(world, departures, begun)
    if answers:
        concluded += world.store.run(lambda transaction: _record(world, transaction, answers))
    return Dispatched(len(concluded), Counter(outcome.state for outcome in concluded))


def recover(world: World) -> int:
    """Settle what a dispatcher that did not come back held in its hands; return how many.

    It may or may not have left: transactional messages are tried again (at least once), marketing
    is not (at most once) and is shown as unknown (promise 7).
    """
    now = world.clock.now()

    def deed(transaction: Transaction) -> int:
        lost = messages.stale(transaction, now)
        outcomes = [_after_uncertainty(message, now) for message in lost]
        _conclude(world, transaction, list(zip(lost, outcomes, strict=True)), now)
        return len(lost)

    return world.store.run(deed)


def _take(
    world: World, transaction: Transaction, most: int
) -> tuple[list[Departure], list[Outcome]]:
    """Lease what is due and decide again; conclude at once what may not leave."""
    now = world.clock.now()
    leased = messages.lease(transaction, now, until=now + LEASE, most=most)
    if not leased:
        return [], []
    counter = _Counter.opened(world, transaction, leased, now)
    departures: list[Departure] = []
    kept: list[tuple[Message, Outcome]] = []
    for message in leased:
        match counter.judge(message):
            case Departure() as departure:
                departures.append(departure)
            case Outcome() as outcome:
                kept.append((message, outcome))
    _conclude(world, transaction, kept, now)
    return departures, [outcome for _, outcome in kept]


@dataclass(slots=True)
class _Counter:
    """All that was loaded for the messages in our hands."""

    world: World
    held: Mapping[Address, Held]
    merchants: Mapping[str, Merchant]
    senders: Mapping[str, Sender]
    slots: dict[tuple[Address, Rank], list[datetime]]
    now: datetime

    @classmethod
    def opened(
        cls, world: World, transaction: Transaction, leased: Sequence[Message], now: datetime
    ) -> "_Counter":
        addresses = [message.grant for message in leased if message.grant]
        held = grants.lock(transaction, addresses)
        ours = {message.address.number for message in leased}
        longest = max(
            [taken.grant.scope.cap.within for taken in held.values()], default=timedelta(days=1)
        )
        slots: dict[tuple[Address, Rank], list[datetime]] = defaultdict(list)
        for address, taken in messages.slots(transaction, list(held), now - longest).items():
            for slot in taken:
                if slot.has_left and slot.number not in ours:
                    slots[address, slot.rank].append(slot.leaves)
        return cls(
            world=world,
            held=held,
            merchants=merchants.some(transaction, _named(m.merchant_id for m in leased)),
            senders=merchants.some_senders(transaction, _named(m.sender_id for m in leased)),
            slots=slots,
            now=now,
        )

    def judge(self, message: Message) -> Departure | Outcome:
        """Decide whether a message may leave now, and take its key if it may."""
        if self.now >= message.valid_until:
            return self._outcome(message, MessageState.EXPIRED, self.now)
        sender = self.senders.get(message.sender_id or "")
        if message.grant is None:  # the service's own: it carries its key
            return Departure(message, None, message.wrapped_key or b"", sender)
        return self._judge_merchants(message, message.grant, sender)

    def _judge_merchants(
        self, message: Message, grant: Address, sender: Sender | None
    ) -> Departure | Outcome:
        held = self.held.get(grant)
        match decide(self._case(message, held, sender)):
            case Refused(reason=reason, again=again):
                if reason is Reason.CAP_REACHED and again and again < message.valid_until:
                    return self._outcome(message, MessageState.DEFERRED, again)
                return self._outcome(message, MessageState.REFUSED, self.now, reason.value)
            case Deferred(leaves=leaves):
                return self._outcome(message, MessageState.DEFERRED, leaves)
            case Accepted():
                if held is None or held.wrapped_key is None:
                    gone = Reason.CONSENT_REVOKED.value
                    return self._outcome(message, MessageState.REFUSED, self.now, gone)
                self.slots[grant, message.rank].append(self.now)
                return Departure(message, held.grant, held.wrapped_key, sender)

    def _case(self, message: Message, held: Held | None, sender: Sender | None) -> Case:
        return Case(
            merchant_id=message.merchant_id or "",
            is_merchant_active=is_active(self.merchants.get(message.merchant_id or "")),
            has_sender=sender is not None,
            token=None,  # it was verified when the message was accepted
            grant=held.grant if held else None,
            purpose=message.purpose,
            text="",  # it was read when the message was accepted
            composed=UNCOMPOSED,
            most_segments=self.world.most_segments,
            slots=self.slots[message.grant, message.rank] if message.grant else (),
            transactional_cap=self.world.transactional_limit,
            earliest=self.now,
            valid_until=message.valid_until,
            now=self.now,
        )

    @staticmethod
    def _outcome(
        message: Message, state: MessageState, leaves: datetime, reason: str | None = None
    ) -> Outcome:
        return Outcome(
            address=message.address,
            attempts=message.attempts,
            state=state,
            leaves=leaves,
            reason=reason,
        )


def _hand_over(
    world: World, departures: Sequence[Departure], begun: float
) -> list[tuple[Message, Answer]]:
    """Open each number, hand the messages to the gateway, and return what it answered."""
    answers: list[tuple[Message, Answer]] = []
    opened: list[tuple[Message, Submission]] = []
    links = world.keyring.handles.link.hide_all([each.message.address for each in departures])
    for departure, link in zip(departures, links, strict=True):
        try:
            opened.append((departure.message, _opened(world, departure, link)))
        except (SealBrokenError, KeyUnavailableError) as fault:
            answers.append((departure.message, Rejected(fault.code)))
    if world.clock.elapsed() - begun > HANDS_OVER_WITHIN:
        return [(departure.message, Throttled()) for departure in departures]
    outcomes = world.gateway.submit([submission for _, submission in opened]) if opened else []
    return answers + [
        (message, outcome) for (message, _), outcome in zip(opened, outcomes, strict=True)
    ]


def _opened(world: World, departure: Departure, link: str) -> Submission:
    """Return a message with its number open: from here on it lives for one submission."""
    message, sender = departure.message, departure.sender
    key = unwrap(departure.wrapped_key, world.keyring.unwrapping)
    if departure.grant is None:
        number, text = open_service_message(world, message, key)
    else:
        number = open_number(message.box or b"", key, binding_of(world, departure.grant))
        text = dress(
            message.text or "",
            signature=sender.signature if sender else "",
            language=departure.grant.language,
            # the link of a message lies nowhere: it is computed when it leaves
            link=f"{world.base_url}/m/{link}" if message.rank is Rank.MARKETING else None,
        )
    return Submission(
        number=number,
        source=sender.source if sender else world.service_sender,
        composed=compose(text),
        tag=message.address.number & 0xFF,
        valid_until=message.valid_until,
    )


def _record(
    world: World, transaction: Transaction, answers: Sequence[tuple[Message, Answer]]
) -> list[Outcome]:
    now = world.clock.now()
    pairs = [(message, _after(message, answer, now)) for message, answer in answers]
    _conclude(world, transaction, pairs, now)
    return [outcome for _, outcome in pairs]


def _after(message: Message, answer: Answer, now: datetime) -> Outcome:
    """Return what becomes of a message after the gateway's answer."""
    match answer:
        case Submitted(gateway_id=gateway_id):
            return _ended(message, MessageState.SENT, gateway_id=gateway_id)
        case Rejected(code=code):
            return _ended(message, MessageState.UNDELIVERABLE, reason=code)
        case Throttled():
            return _again(message, now)
        case Uncertain():
            return _after_uncertainty(message, now)


def _after_uncertainty(message: Message, now: datetime) -> Outcome:
    if message.rank is Rank.MARKETING or message.attempts >= MOST_TRIES:
        return _ended(message, MessageState.UNKNOWN, reason="gateway_uncertain")
    return _again(message, now)


def _again(message: Message, now: datetime) -> Outcome:
    """Return the message to the outbox, to be tried again after a while, until it expires."""
    return Outcome(
        address=message.address,
        attempts=message.attempts,
        state=MessageState.QUEUED,
        leaves=now + BACK_OFF * min(message.attempts, MOST_TRIES),
    )


def _ended(
    message: Message,
    state: MessageState,
    *,
    reason: str | None = None,
    gateway_id: str | None = None,
) -> Outcome:
    return Outcome(
        address=message.address,
        attempts=message.attempts,
        state=state,
        leaves=message.leaves,
        reason=reason,
        gateway_id=gateway_id,
    )


KINDS: Final = {
    MessageState.SENT: Kind.MESSAGE_LEFT,
    MessageState.REFUSED: Kind.MESSAGE_REFUSED,
    MessageState.UNDELIVERABLE: Kind.MESSAGE_FAILED,
    MessageState.EXPIRED: Kind.MESSAGE_EXPIRED,
    MessageState.UNKNOWN: Kind.MESSAGE_UNKNOWN,
    MessageState.DEFERRED: Kind.MESSAGE_DEFERRED,
}


def _conclude(
    world: World,
    transaction: Transaction,
    pairs: Sequence[tuple[Message, Outcome]],
    now: datetime,
) -> None:
    """Write what became of messages, and a line of evidence for each that was still ours."""
    still_ours = messages.conclude(transaction, [outcome for _, outcome in pairs], now)
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
        for message, outcome in pairs
        if outcome.state in KINDS and message.address in still_ours
    ]
    events.record(transaction, lines, world.chance.draw)


def _named(ids: Iterable[str | None]) -> list[str]:
    return [name for name in ids if name]
