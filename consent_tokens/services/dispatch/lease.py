"""What is due is taken up: in fair shares, and decided again in that same step."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from consent_tokens.app_context import World
from consent_tokens.consent.grant import Grant
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.relay.composition import Coding, Composed
from consent_tokens.relay.decision import Accepted, Case, Deferred, Reason, Refused, decide
from consent_tokens.relay.fair_share import shares
from consent_tokens.relay.message import INVITATION, Message, MessageState, Outcome, Rank
from consent_tokens.services.dispatch.outcomes import conclude, ended
from consent_tokens.services.outbox.in_flight import LEASE_SECONDS
from consent_tokens.services.preferences.snapshot import Wished
from consent_tokens.store import grants, merchants, messages
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import Held
from consent_tokens.store.merchants import Merchant, Sender, is_active

LEASE: Final = timedelta(seconds=LEASE_SECONDS)
MOST_MERCHANTS: Final = 64  # served in one round; the others have their turn in the next
UNCOMPOSED: Final = Composed(Coding.GSM7, (b"",))


class Departure(Struct, frozen=True):
    """A message in our hands that may leave, with all that is needed to open its number."""

    message: Message
    grant: Grant | None
    wrapped_key: bytes
    sender: Sender | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much may be taken up in one round, and whose turn it is to come first."""

    most: int
    turn: int = 0
    weights: Mapping[str, int] = field(default_factory=dict)  # by merchant; one if not named
    allowed: Mapping[str, int] = field(default_factory=dict)  # at most so many, if named


def take(
    world: World, transaction: Transaction, room: Room
) -> tuple[list[Departure], list[Outcome]]:
    """Lease what is due and decide again; conclude at once what may not leave."""
    now = world.clock.now()
    leased = _lease(transaction, room, now)
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
    conclude(world, transaction, kept, now)
    return departures, [outcome for _, outcome in kept]


def _lease(transaction: Transaction, room: Room, now: datetime) -> list[Message]:
    """Take the service's own messages, then transactional, then marketing, by fair shares."""
    until = now + LEASE
    most = room.most
    leased = messages.lease(transaction, Rank.SERVICE, None, now, until=until, most=most)
    for rank in (Rank.TRANSACTIONAL, Rank.MARKETING):
        names = _in_turn(messages.who_waits(transaction, rank, now), room) if most else []
        weights = {name: room.weights.get(name, 1) for name in names}
        allowed = {name: room.allowed.get(name, most) for name in names}
        # what one leaves of its share goes to those who would take more
        while weights and len(leased) < most:
            hungry: dict[str, int] = {}
            for name, share in shares(weights, most - len(leased), room.turn).items():
                asked = min(share, allowed[name])
                if not asked:
                    continue
                got = messages.lease(transaction, rank, name, now, until=until, most=asked)
                leased += got
                allowed[name] -= len(got)
                if len(got) == asked and allowed[name]:
                    hungry[name] = weights[name]
            weights = hungry
    return leased


def _in_turn(names: Sequence[str], room: Room) -> list[str]:
    """Return as many merchants as one round serves; each round begins with others."""
    listed = sorted(name for name in names if room.allowed.get(name, 1))
    if not listed:
        return []
    first = room.turn * MOST_MERCHANTS % len(listed) if len(listed) > MOST_MERCHANTS else 0
    return (listed[first:] + listed[:first])[:MOST_MERCHANTS]


@dataclass(slots=True)
class _Counter:
    """All that was loaded for the messages in our hands."""

    world: World
    held: Mapping[Address, Held]
    merchants: Mapping[str, Merchant]
    senders: Mapping[str, Sender]
    slots: dict[tuple[Address, Rank], list[datetime]]
    wished: Wished
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
        counted = messages.slots(transaction, list(held), now - longest, but=ours)
        for address, taken in counted.items():
            for slot in taken:
                if slot.has_left:
                    slots[address, slot.rank].append(slot.leaves)
        return cls(
            world=world,
            held=held,
            merchants=merchants.some(transaction, _named(m.merchant_id for m in leased)),
            senders=merchants.some_senders(transaction, _named(m.sender_id for m in leased)),
            slots=slots,
            wished=Wished.opened(world, transaction, held, now, but=ours, only_left=True),
            now=now,
        )

    def judge(self, message: Message) -> Departure | Outcome:
        """Decide whether a message may leave now, and take its key if it may."""
        if self.now >= message.valid_until:
            return ended(message, MessageState.EXPIRED, self.now)
        sender = self.senders.get(message.sender_id or "")
        grant = message.grant
        if grant is None:  # the service's own: it carries its key
            return Departure(message, None, message.wrapped_key or b"", sender)
        return self._judge_merchants(message, grant, sender)

    def _judge_merchants(
        self, message: Message, grant: Address, sender: Sender | None
    ) -> Departure | Outcome:
        held = self.held.get(grant)
        if message.purpose == INVITATION:
            return self._judge_invitation(message, grant, held, sender)
        match decide(self._case(message, grant, held, sender)):
            case Refused(reason=reason, again=again):
                if reason is Reason.CAP_REACHED and again and again < message.valid_until:
                    return _deferred(message, again)
                return ended(message, MessageState.REFUSED, self.now, reason=reason.value)
            case Deferred(leaves=leaves):
                return _deferred(message, leaves)
            case Accepted():
                if held is None or held.wrapped_key is None:
                    gone = Reason.CONSENT_REVOKED.value
                    return ended(message, MessageState.REFUSED, self.now, reason=gone)
                self.slots[grant, message.rank].append(self.now)
                self.wished.take(grant, message.rank, self.now)
                return Departure(message, held.grant, held.wrapped_key, sender)

    def _judge_invitation(
        self, message: Message, grant: Address, held: Held | None, sender: Sender | None
    ) -> Departure | Outcome:
        """Let a question leave under the grant of another purpose, if it still may (promise 12)."""
        wishes = self.wished.of(grant)
        if held is None or held.wrapped_key is None or sender is None:
            gone = Reason.CONSENT_REVOKED.value
            return ended(message, MessageState.REFUSED, self.now, reason=gone)
        if wishes.no_invitations or wishes.is_calm(self.now):
            return ended(message, MessageState.REFUSED, self.now, reason="withheld")
        return Departure(message, held.grant, held.wrapped_key, sender)

    def _case(
        self, message: Message, grant: Address, held: Held | None, sender: Sender | None
    ) -> Case:
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
            slots=self.slots[grant, message.rank],
            transactional_cap=self.world.transactional_limit,
            earliest=self.now,
            valid_until=message.valid_until,
            now=self.now,
            wishes=self.wished.of(grant),
            all_slots=self.wished.slots_of(grant),
        )


def _deferred(message: Message, leaves: datetime) -> Outcome:
    return Outcome(
        address=message.address,
        attempts=message.attempts,
        state=MessageState.DEFERRED,
        leaves=leaves,
        was_tried=False,
    )


def _named(ids: Iterable[str | None]) -> list[str]:
    return [name for name in ids if name]
