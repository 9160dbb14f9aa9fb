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

from msgspec import Struct

from consent_tokens.app_context import World
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import MOST_DAYS
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.opaque_ids import LINK_BYTES, Address
from consent_tokens.errors import TokenError
from consent_tokens.evidence.events import Event, kind_of
from consent_tokens.relay.composition import Composed, compose, dress
from consent_tokens.relay.decision import (
    Case,
    Decision,
    Reason,
    Refused,
    decide,
)
from consent_tokens.relay.message import VALID_FOR, Message, MessageState, Rank, rank_of
from consent_tokens.services.preferences.snapshot import Wished
from consent_tokens.store import events, grants, merchants, messages
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import Held
from consent_tokens.store.merchants import Merchant, Sender, is_active
from consent_tokens.tokens.claims import Claims
from consent_tokens.tokens.verify import verify

LONGEST_WINDOW: Final = timedelta(days=MOST_DAYS)


class Draft(Struct, frozen=True, kw_only=True):
    """What a merchant wants to send. The number is not in it."""

    token: str
    purpose: str
    text: str
    reference: str | None = None
    send_at: datetime | None = None
    valid_for: timedelta = VALID_FOR


class Verified(Struct, frozen=True):
    """A draft, with what its token says, or what is wrong with it."""

    draft: Draft
    token: Claims | Reason


class Verdict(Struct, frozen=True):
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
    """Return the relay's answer to each draft of a merchant, in order.

    Accepted means on disk (promise 7), once the transaction has been committed.
    """
    return accept_all(world, transaction, [(merchant_id, draft) for draft in drafts])


def accept_all(
    world: World, transaction: Transaction, asked: Sequence[tuple[str, Verified]]
) -> list[Verdict]:
    """Return the relay's answer to each of these (merchant's id, draft), in order."""
    desk = _Desk.opened(world, transaction, asked)
    verdicts = [desk.judge(merchant_id, draft) for merchant_id, draft in asked]
    messages.put_out(transaction, desk.laid_out)
    events.record(transaction, desk.lines, world.chance.draw)
    return verdicts


@dataclass(slots=True)
class _Desk:
    """All that was loaded for what came in together, and what is to be written for it."""

    world: World
    merchants: Mapping[str, Merchant]
    senders: Mapping[str, Sender]  # by merchant
    addresses: Mapping[str, Address]  # by handle
    held: Mapping[Address, Held]
    slots: dict[tuple[Address, Rank], list[datetime]]
    wished: Wished
    now: datetime
    laid_out: list[Message]
    lines: list[Event]

    @classmethod
    def opened(
        cls, world: World, transaction: Transaction, asked: Sequence[tuple[str, Verified]]
    ) -> "_Desk":
        now = world.clock.now()
        named, senders = merchants.at_desk(transaction, {merchant_id for merchant_id, _ in asked})
        # only the merchant's own: of others' grants nothing is read (promise 4)
        handles = {
            draft.token.handle
            for merchant_id, draft in asked
            if isinstance(draft.token, Claims) and draft.token.merchant_id == merchant_id
        }
        addresses = world.keyring.handles.grant.find_all(handles)
        held = grants.lock(transaction, list(addresses.values()))
        slots: dict[tuple[Address, Rank], list[datetime]] = defaultdict(list)
        for address, taken in messages.slots(transaction, list(held), _since(held, now)).items():
            for slot in taken:
                slots[address, slot.rank].append(slot.leaves)
        return cls(
            world=world,
            merchants=named,
            senders=senders,
            addresses=addresses,
            held=held,
            slots=slots,
            wished=Wished.opened(world, transaction, held, now),
            now=now,
            laid_out=[],
            lines=[],
        )

    def judge(self, merchant_id: str, verified: Verified) -> Verdict:
        """Decide one draft, and lay out what follows from it."""
        draft, claims = verified.draft, verified.token
        address = None
        if isinstance(claims, Claims) and claims.merchant_id == merchant_id:
            address = self.addresses.get(claims.handle)
        held = self.held.get(address) if address else None
        purpose = _purpose(draft.purpose)
        rank = rank_of(purpose) if purpose else Rank.MARKETING
        sender = self.senders.get(merchant_id)
        earliest = draft.send_at or self.now
        case = Case(
            merchant_id=merchant_id,
            is_merchant_active=is_active(self.merchants.get(merchant_id)),
            has_sender=sender is not None,
            token=claims,
            grant=held.grant if held else None,
            purpose=draft.purpose,
            text=draft.text,
            composed=self._composed(draft, held, rank, sender),
            most_segments=self.world.most_segments,
            slots=self.slots[address, rank] if address else (),
            transactional_cap=self.world.transactional_limit,
            earliest=earliest,
            valid_until=max(earliest, self.now) + draft.valid_for,
            now=self.now,
            wishes=self.wished.of(address),
            all_slots=self.wished.slots_of(address),
        )
        decision = decide(case)
        if isinstance(decision, Refused) or address is None or sender is None:
            self._record(case, decision, address if held else None, None)
            return Verdict(decision)
        message = self._message(case, draft, address, rank, sender)
        self.laid_out.append(message)
        insort(self.slots[address, rank], decision.leaves)
        self.wished.take(address, rank, decision.leaves)
        self._record(case, decision, address, message.address.number)
        return Verdict(decision, message.address, message.segments)

    def _composed(
        self, draft: Draft, held: Held | None, rank: Rank, sender: Sender | None
    ) -> Composed:
        """Return the text as it would leave; the link is drawn later, but is as long as this."""
        return compose(
            dress(
                draft.text,
                signature=sender.signature if sender else "",
                language=held.grant.language if held else "zh-CN",
                link=_sample_link(self.world.base_url) if rank is Rank.MARKETING else None,
            )
        )

    def _message(
        self, case: Case, draft: Draft, address: Address, rank: Rank, sender: Sender
    ) -> Message:
        claims, leaves = case.claims, case.leaves
        return Message(
            address=Address.at(address.home, self.world.chance.draw(8)),
            grant=address,
            merchant_id=case.merchant_id,
            sender_id=sender.id,
            rank=rank,
            purpose=draft.purpose,
            reference=draft.reference,
            state=MessageState.DEFERRED if leaves > self.now else MessageState.QUEUED,
            accepted=self.now,
            leaves=leaves,
            valid_until=min(case.valid_until, case.ends or case.valid_until),
            changed=self.now,
            segments=len(case.composed.segments),
            box=claims.box if claims else None,
            text=draft.text,
        )

    def _record(
        self, case: Case, decision: Decision, grant: Address | None, message: int | None
    ) -> None:
        """Write a line, in the recipient's home where there is one, else in the merchant's."""
        kind, code = kind_of(decision)
        merchant = self.merchants.get(case.merchant_id)
        self.lines.append(
            Event(
                home=grant.home if grant else (merchant.home if merchant else 0),
                at=self.now,
                kind=kind,
                merchant_id=case.merchant_id,
                grant=grant.number if grant else None,
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
