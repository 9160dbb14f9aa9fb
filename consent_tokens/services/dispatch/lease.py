"""What is due is taken up: in fair shares, and decided again in that same step."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from consent_tokens.app_context import AppContext
from consent_tokens.consent.grant import Grant
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.relay.composition import Coding, ComposedText
from consent_tokens.relay.decision import Accepted, Case, Deferred, Reason, Refused, decide
from consent_tokens.relay.fair_share import fair_shares
from consent_tokens.relay.message import (
    INVITATION_PURPOSE,
    Message,
    MessageOutcome,
    MessageStatus,
    Priority,
)
from consent_tokens.services.dispatch.outcomes import complete, final_outcome
from consent_tokens.services.outbox.in_flight import LEASE_SECONDS
from consent_tokens.services.preferences.snapshot import PreferenceSnapshot
from consent_tokens.store import grants, merchants, messages
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import LockedGrant
from consent_tokens.store.merchants import Merchant, Sender, is_active

LEASE_DURATION: Final = timedelta(seconds=LEASE_SECONDS)
MAX_MERCHANTS_PER_ROUND: Final = 64  # served in one round; the others have their turn in the next
NO_TEXT: Final = ComposedText(Coding.GSM7, (b"",))


class LeasedMessage(Struct, frozen=True):
    """A message in our hands that may leave, with all that is needed to open its number."""

    message: Message
    grant: Grant | None
    wrapped_key: bytes
    sender: Sender | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseQuota:
    """How much may be taken up in one round, and whose turn it is to come first."""

    limit: int
    turn: int = 0
    weights: Mapping[str, int] = field(default_factory=dict)  # by merchant; one if not named
    allowed: Mapping[str, int] = field(default_factory=dict)  # at most so many, if named


def lease_messages(
    world: AppContext, transaction: Transaction, quota: LeaseQuota
) -> tuple[list[LeasedMessage], list[MessageOutcome]]:
    """Lease what is due and decide again; conclude at once what may not leave."""
    now = world.clock.now()
    leased = _lease(transaction, quota, now)
    if not leased:
        return [], []
    counter = _LeaseContext.opened(world, transaction, leased, now)
    departures: list[LeasedMessage] = []
    kept: list[tuple[Message, MessageOutcome]] = []
    for message in leased:
        match counter.decide(message):
            case LeasedMessage() as departure:
                departures.append(departure)
            case MessageOutcome() as outcome:
                kept.append((message, outcome))
    complete(world, transaction, kept, now)
    return departures, [outcome for _, outcome in kept]


def _lease(transaction: Transaction, quota: LeaseQuota, now: datetime) -> list[Message]:
    """Take the service's own messages, then transactional, then marketing, by fair shares."""
    until = now + LEASE_DURATION
    most = quota.limit
    leased = messages.lease(transaction, Priority.SERVICE, None, now, until=until, most=most)
    for rank in (Priority.TRANSACTIONAL, Priority.MARKETING):
        names = (
            _merchants_in_turn(messages.merchants_due(transaction, rank, now), quota)
            if most
            else []
        )
        weights = {name: quota.weights.get(name, 1) for name in names}
        allowed = {name: quota.allowed.get(name, most) for name in names}
        # what one leaves of its share goes to those who would take more
        while weights and len(leased) < most:
            hungry: dict[str, int] = {}
            for name, share in fair_shares(weights, most - len(leased), quota.turn).items():
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


def _merchants_in_turn(names: Sequence[str], quota: LeaseQuota) -> list[str]:
    """Return as many merchants as one round serves; each round begins with others."""
    listed = sorted(name for name in names if quota.allowed.get(name, 1))
    if not listed:
        return []
    first = (
        quota.turn * MAX_MERCHANTS_PER_ROUND % len(listed)
        if len(listed) > MAX_MERCHANTS_PER_ROUND
        else 0
    )
    return (listed[first:] + listed[:first])[:MAX_MERCHANTS_PER_ROUND]


@dataclass(slots=True)
class _LeaseContext:
    """All that was loaded for the messages in our hands."""

    world: AppContext
    held: Mapping[RowKey, LockedGrant]
    merchants: Mapping[str, Merchant]
    senders: Mapping[str, Sender]
    slots: dict[tuple[RowKey, Priority], list[datetime]]
    wished: PreferenceSnapshot
    now: datetime

    @classmethod
    def opened(
        cls, world: AppContext, transaction: Transaction, leased: Sequence[Message], now: datetime
    ) -> "_LeaseContext":
        addresses = [message.grant_key for message in leased if message.grant_key]
        held = grants.lock(transaction, addresses)
        ours = {message.key.id for message in leased}
        longest = max(
            [taken.grant.scope.frequency_cap.window for taken in held.values()],
            default=timedelta(days=1),
        )
        slots: dict[tuple[RowKey, Priority], list[datetime]] = defaultdict(list)
        counted = messages.counted_sends(transaction, list(held), now - longest, but=ours)
        for address, taken in counted.items():
            for slot in taken:
                if slot.is_submitted:
                    slots[address, slot.priority].append(slot.send_at)
        return cls(
            world=world,
            held=held,
            merchants=merchants.find_many(transaction, _present(m.merchant_id for m in leased)),
            senders=merchants.find_senders(transaction, _present(m.sender_id for m in leased)),
            slots=slots,
            wished=PreferenceSnapshot.load(
                world, transaction, held, now, but=ours, submitted_only=True
            ),
            now=now,
        )

    def decide(self, message: Message) -> LeasedMessage | MessageOutcome:
        """Decide whether a message may leave now, and take its key if it may."""
        if self.now >= message.valid_until:
            return final_outcome(message, MessageStatus.EXPIRED, self.now)
        sender = self.senders.get(message.sender_id or "")
        grant = message.grant_key
        if grant is None:  # the service's own: it carries its key
            return LeasedMessage(message, None, message.wrapped_key or b"", sender)
        return self._decide_merchant_message(message, grant, sender)

    def _decide_merchant_message(
        self, message: Message, grant: RowKey, sender: Sender | None
    ) -> LeasedMessage | MessageOutcome:
        held = self.held.get(grant)
        if message.purpose == INVITATION_PURPOSE:
            return self._decide_invitation(message, grant, held, sender)
        match decide(self._case(message, grant, held, sender)):
            case Refused(reason=reason, next_at=again):
                if reason is Reason.CAP_REACHED and again and again < message.valid_until:
                    return _deferred(message, again)
                return final_outcome(message, MessageStatus.REFUSED, self.now, reason=reason.value)
            case Deferred(send_at=leaves):
                return _deferred(message, leaves)
            case Accepted():
                if held is None or held.wrapped_key is None:
                    gone = Reason.CONSENT_REVOKED.value
                    return final_outcome(message, MessageStatus.REFUSED, self.now, reason=gone)
                self.slots[grant, message.priority].append(self.now)
                self.wished.count(grant, message.priority, self.now)
                return LeasedMessage(message, held.grant, held.wrapped_key, sender)

    def _decide_invitation(
        self, message: Message, grant: RowKey, held: LockedGrant | None, sender: Sender | None
    ) -> LeasedMessage | MessageOutcome:
        """Let a question leave under the grant of another purpose, if it still may (promise 12)."""
        wishes = self.wished.preferences_of(grant)
        if held is None or held.wrapped_key is None or sender is None:
            gone = Reason.CONSENT_REVOKED.value
            return final_outcome(message, MessageStatus.REFUSED, self.now, reason=gone)
        if wishes.no_invitations or wishes.is_quiet_at(self.now):
            return final_outcome(message, MessageStatus.REFUSED, self.now, reason="withheld")
        return LeasedMessage(message, held.grant, held.wrapped_key, sender)

    def _case(
        self, message: Message, grant: RowKey, held: LockedGrant | None, sender: Sender | None
    ) -> Case:
        return Case(
            merchant_id=message.merchant_id or "",
            is_merchant_active=is_active(self.merchants.get(message.merchant_id or "")),
            has_sender=sender is not None,
            token=None,  # it was verified when the message was accepted
            grant=held.grant if held else None,
            purpose=message.purpose,
            text="",  # it was read when the message was accepted
            composed=NO_TEXT,
            max_segments=self.world.max_segments,
            counted_sends=self.slots[grant, message.priority],
            transactional_cap=self.world.transactional_frequency_cap,
            not_before=self.now,
            valid_until=message.valid_until,
            now=self.now,
            preferences=self.wished.preferences_of(grant),
            marketing_sends=self.wished.marketing_sends_of(grant),
        )


def _deferred(message: Message, leaves: datetime) -> MessageOutcome:
    return MessageOutcome(
        key=message.key,
        attempts=message.attempts,
        status=MessageStatus.DEFERRED,
        send_at=leaves,
        counts_as_attempt=False,
    )


def _present(ids: Iterable[str | None]) -> list[str]:
    return [name for name in ids if name]
