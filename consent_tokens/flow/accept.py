"""A merchant hands in messages: verify, decide, lay out, record; for a batch as for one.

Signatures are verified before the transaction opens; inside, a batch costs one statement a table,
and each message is judged for itself.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import MOST_DAYS
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.handles import LINK_BYTES, Address
from consent_tokens.errors import TokenError
from consent_tokens.evidence.events import Event, kind_of
from consent_tokens.relay.composition import Composed, compose, dress
from consent_tokens.relay.decision import (
    Case,
    Decision,
    Deferred,
    Reason,
    Refused,
    decide,
)
from consent_tokens.relay.message import VALID_FOR, Message, MessageState, Rank, rank_of
from consent_tokens.store import events, grants, merchants, messages
from consent_tokens.store.engine import Transaction
from consent_tokens.store.grants import Held
from consent_tokens.store.merchants import Merchant, Sender, is_active
from consent_tokens.tokens.claims import Claims
from consent_tokens.tokens.verify import verify
from consent_tokens.world import World

LONGEST_WINDOW: Final = timedelta(days=MOST_DAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a merchant wants to send. The number is not in it."""

    token: str
    purpose: str
    text: str
    reference: str | None = None
    send_at: datetime | None = None
    valid_for: timedelta = VALID_FOR


@dataclass(frozen=True, slots=True)
class Verified:
    """A draft, with what its token says, or what is wrong with it."""

    draft: Draft
    token: Claims | Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """The relay's answer to one draft; `address` and `segments` if it was taken."""

    decision: Decision
    address: Address | None = None
    segments: int = 0


def verified(world: World, draft: Draft) -> Verified:
    """Return a draft with its token read, once its signature has been verified."""
    try:
        claims = verify(draft.token, world.keyring.verifying, issuer=world.base_url)
    except TokenError as fault:
        return Verified(draft, Reason(fault.code))
    return Verified(draft, claims)


def accept(
    world: World, transaction: Transaction, merchant_id: str, drafts: Sequence[Verified]
) -> list[Verdict]:
    """Return the relay's answer to each draft, in order. Accepted means on disk (promise 7)."""
    desk = _Desk.opened(world, transaction, merchant_id, drafts)
    verdicts = [desk.judge(draft) for draft in drafts]
    messages.put_out(transaction, desk.laid_out)
    events.record(transaction, desk.lines, world.chance.draw)
    return verdicts


@dataclass(slots=True)
class _Desk:
    """All that was loaded for a batch, and what is to be written for it."""

    world: World
    merchant_id: str
    merchant: Merchant | None
    sender: Sender | None
    addresses: Mapping[str, Address]  # by handle
    held: Mapping[Address, Held]
    slots: dict[tuple[Address, Rank], list[datetime]]
    now: datetime
    laid_out: list[Message]
    lines: list[Event]

    @classmethod
    def opened(
        cls,
        world: World,
        transaction: Transaction,
        merchant_id: str,
        drafts: Sequence[Verified],
    ) -> "_Desk":
        now = world.clock.now()
        merchant = merchants.find(transaction, merchant_id)
        senders = merchants.senders_of(transaction, merchant_id)
        # only the merchant's own: of others' grants nothing is read (promise 4)
        handles = {
            draft.token.handle
            for draft in drafts
            if isinstance(draft.token, Claims) and draft.token.merchant_id == merchant_id
        }
        addresses = {
            handle: address
            for handle in handles
            if (address := world.keyring.handles.grant.find(handle)) is not None
        }
        held = grants.lock(transaction, list(addresses.values()))
        slots: dict[tuple[Address, Rank], list[datetime]] = defaultdict(list)
        for address, taken in messages.slots(transaction, list(held), _since(held, now)).items():
            for slot in taken:
                slots[address, slot.rank].append(slot.leaves)
        return cls(
            world=world,
            merchant_id=merchant_id,
            merchant=merchant,
            sender=senders[0] if senders else None,
            addresses=addresses,
            held=held,
            slots=slots,
            now=now,
            laid_out=[],
            lines=[],
        )

    def judge(self, verified: Verified) -> Verdict:
        """Decide one draft, and lay out what follows from it."""
        draft, claims = verified.draft, verified.token
        address = None
        if isinstance(claims, Claims) and claims.merchant_id == self.merchant_id:
            address = self.addresses.get(claims.handle)
        held = self.held.get(address) if address else None
        purpose = _purpose(draft.purpose)
        rank = rank_of(purpose) if purpose else Rank.MARKETING
        composed = self._composed(draft, held, rank)
        earliest = draft.send_at or self.now
        case = Case(
            merchant_id=self.merchant_id,
            is_merchant_active=is_active(self.merchant),
            has_sender=self.sender is not None,
            token=claims,
            grant=held.grant if held else None,
            purpose=draft.purpose,
            text=draft.text,
            composed=composed,
            most_segments=self.world.most_segments,
            slots=self.slots[address, rank] if address else (),
            transactional_cap=self.world.transactional_limit,
            earliest=earliest,
            valid_until=max(earliest, self.now) + draft.valid_for,
            now=self.now,
        )
        decision = decide(case)
        if isinstance(decision, Refused) or held is None or address is None:
            self._record(decision, held, address, None)
            return Verdict(decision)
        message = self._message(case, decision, address, draft, rank)
        self.laid_out.append(message)
        insort(self.slots[address, rank], decision.leaves)
        self._record(decision, held, address, message.address.number)
        return Verdict(decision, message.address, message.segments)

    def _composed(self, draft: Draft, held: Held | None, rank: Rank) -> Composed:
        """Return the text as it would leave; the link is drawn later, but is as long as this."""
        return compose(
            dress(
                draft.text,
                signature=self.sender.signature if self.sender else "",
                language=held.grant.language if held else "zh-CN",
                link=_sample_link(self.world.base_url) if rank is Rank.MARKETING else None,
            )
        )

    def _message(
        self, case: Case, decision: Decision, address: Address, draft: Draft, rank: Rank
    ) -> Message:
        claims = case.claims
        ends = case.ends or case.valid_until
        return Message(
            address=Address.at(address.home, self.world.chance.draw(8)),
            grant_number=address.number,
            merchant_id=self.merchant_id,
            sender_id=self.sender.id if self.sender else None,
            rank=rank,
            purpose=draft.purpose,
            reference=draft.reference,
            state=MessageState.DEFERRED if isinstance(decision, Deferred) else MessageState.QUEUED,
            accepted=self.now,
            leaves=case.leaves,
            valid_until=min(case.valid_until, ends),
            changed=self.now,
            segments=len(case.composed.segments),
            box=claims.box if claims else None,
            text=draft.text,
        )

    def _record(
        self, decision: Decision, held: Held | None, address: Address | None, message: int | None
    ) -> None:
        """Write a line, in the recipient's home where there is one, else in the merchant's."""
        kind, code = kind_of(decision)
        home = address.home if address and held else None
        if home is None:
            home = self.merchant.home if self.merchant else 0
        self.lines.append(
            Event(
                home=home,
                at=self.now,
                kind=kind,
                merchant_id=self.merchant_id,
                grant=address.number if address and held else None,
                message=message,
                code=code,
            )
        )


def _since(held: Mapping[Address, Held], now: datetime) -> datetime:
    """Return from when on messages may count against any of these grants."""
    within = [taken.grant.scope.cap.within for taken in held.values()]
    return now - max(within, default=LONGEST_WINDOW)


@lru_cache(maxsize=256)
def _purpose(name: str) -> Purpose | None:
    return Purpose(name) if name in set(Purpose) else None


@lru_cache(maxsize=8)
def _sample_link(base_url: str) -> str:
    return f"{base_url}/m/{encode(bytes(LINK_BYTES))}"
