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

from consent_tokens.app_context import AppContext
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import MAX_DAYS
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.opaque_ids import ID_BYTES, RowKey
from consent_tokens.errors import TokenError
from consent_tokens.evidence.events import Event, decision_event
from consent_tokens.relay.composition import ComposedText, compose, with_signature_and_opt_out
from consent_tokens.relay.decision import (
    Case,
    Decision,
    Reason,
    Refused,
    decide,
)
from consent_tokens.relay.message import (
    DEFAULT_VALIDITY,
    Message,
    MessageStatus,
    Priority,
    priority_of,
)
from consent_tokens.services.preferences.snapshot import PreferenceSnapshot
from consent_tokens.store import events, grants, merchants, messages
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import LockedGrant
from consent_tokens.store.merchants import Merchant, Sender, is_active
from consent_tokens.tokens.claims import Claims
from consent_tokens.tokens.verify import verify

MAX_WINDOW: Final = timedelta(days=MAX_DAYS)


class MessageRequest(Struct, frozen=True, kw_only=True):
    """What a merchant wants to send. The number is not in it."""

    token: str
    purpose: str
    text: str
    reference: str | None = None
    send_at: datetime | None = None
    validity: timedelta = DEFAULT_VALIDITY


class VerifiedRequest(Struct, frozen=True):
    """A draft, with what its token says, or what is wrong with it."""

    request: MessageRequest
    token: Claims | Reason


class SubmissionResult(Struct, frozen=True):
    """The relay's answer to one draft; `address` and `segments` if it was taken."""

    decision: Decision
    key: RowKey | None = None
    segments: int = 0


def verify_request(world: AppContext, request: MessageRequest) -> VerifiedRequest:
    """Return a draft with its token read, once its signature has been verified."""
    try:
        claims = verify(request.token, world.keyring.verifying, issuer=world.base_url)
    except TokenError as fault:
        return VerifiedRequest(request, Reason(fault.error_code))
    return VerifiedRequest(request, claims)


def accept(
    world: AppContext, transaction: Transaction, merchant_id: str, drafts: Sequence[VerifiedRequest]
) -> list[SubmissionResult]:
    """Return the relay's answer to each draft of a merchant, in order.

    Accepted means on disk (promise 7), once the transaction has been committed.
    """
    return accept_all(world, transaction, [(merchant_id, draft) for draft in drafts])


def accept_all(
    world: AppContext, transaction: Transaction, asked: Sequence[tuple[str, VerifiedRequest]]
) -> list[SubmissionResult]:
    """Return the relay's answer to each of these (merchant's id, draft), in order."""
    desk = _AcceptContext.load(world, transaction, asked)
    verdicts = [desk.decide(merchant_id, draft) for merchant_id, draft in asked]
    messages.enqueue(transaction, desk.enqueued)
    events.record(transaction, desk.events, world.random.token_bytes)
    return verdicts


@dataclass(slots=True)
class _AcceptContext:
    """All that was loaded for what came in together, and what is to be written for it."""

    world: AppContext
    merchants: Mapping[str, Merchant]
    senders: Mapping[str, Sender]  # by merchant
    keys: Mapping[str, RowKey]  # by handle
    grants: Mapping[RowKey, LockedGrant]
    counted_sends: dict[tuple[RowKey, Priority], list[datetime]]
    preferences: PreferenceSnapshot
    now: datetime
    enqueued: list[Message]
    events: list[Event]

    @classmethod
    def load(
        cls,
        world: AppContext,
        transaction: Transaction,
        asked: Sequence[tuple[str, VerifiedRequest]],
    ) -> "_AcceptContext":
        now = world.clock.now()
        named, senders = merchants.find_with_senders(
            transaction, {merchant_id for merchant_id, _ in asked}
        )
        # only the merchant's own: of others' grants nothing is read (promise 4)
        handles = {
            draft.token.jti
            for merchant_id, draft in asked
            if isinstance(draft.token, Claims) and draft.token.merchant_id == merchant_id
        }
        addresses = world.keyring.ids.grant.decode_all(handles)
        held = grants.lock(transaction, list(addresses.values()))
        slots: dict[tuple[RowKey, Priority], list[datetime]] = defaultdict(list)
        for address, taken in messages.counted_sends(
            transaction, list(held), _counted_since(held, now)
        ).items():
            for slot in taken:
                slots[address, slot.priority].append(slot.send_at)
        return cls(
            world=world,
            merchants=named,
            senders=senders,
            keys=addresses,
            grants=held,
            counted_sends=slots,
            preferences=PreferenceSnapshot.load(world, transaction, held, now),
            now=now,
            enqueued=[],
            events=[],
        )

    def decide(self, merchant_id: str, verified: VerifiedRequest) -> SubmissionResult:
        """Decide one draft, and lay out what follows from it."""
        draft, claims = verified.request, verified.token
        address = None
        if isinstance(claims, Claims) and claims.merchant_id == merchant_id:
            address = self.keys.get(claims.jti)
        held = self.grants.get(address) if address else None
        purpose = _purpose(draft.purpose)
        rank = priority_of(purpose) if purpose else Priority.MARKETING
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
            max_segments=self.world.max_segments,
            counted_sends=self.counted_sends[address, rank] if address else (),
            transactional_cap=self.world.transactional_frequency_cap,
            not_before=earliest,
            valid_until=max(earliest, self.now) + draft.validity,
            now=self.now,
            preferences=self.preferences.preferences_of(address),
            marketing_sends=self.preferences.marketing_sends_of(address),
        )
        decision = decide(case)
        if isinstance(decision, Refused) or address is None or sender is None:
            self._record(case, decision, address if held else None, None)
            return SubmissionResult(decision)
        message = self._message(case, draft, address, rank, sender)
        self.enqueued.append(message)
        insort(self.counted_sends[address, rank], decision.send_at)
        self.preferences.count(address, rank, decision.send_at)
        self._record(case, decision, address, message.key.id)
        return SubmissionResult(decision, message.key, message.segments)

    def _composed(
        self, draft: MessageRequest, held: LockedGrant | None, rank: Priority, sender: Sender | None
    ) -> ComposedText:
        """Return the text as it would leave; the link is drawn later, but is as long as this."""
        return compose(
            with_signature_and_opt_out(
                draft.text,
                signature=sender.signature if sender else "",
                language=held.grant.language if held else "zh-CN",
                link=_link_of_full_length(self.world.base_url)
                if rank is Priority.MARKETING
                else None,
            )
        )

    def _message(
        self, case: Case, draft: MessageRequest, address: RowKey, rank: Priority, sender: Sender
    ) -> Message:
        claims, leaves = case.claims, case.send_at
        return Message(
            key=RowKey.new(address.partition, self.world.random.token_bytes(8)),
            grant_key=address,
            merchant_id=case.merchant_id,
            sender_id=sender.id,
            priority=rank,
            purpose=draft.purpose,
            reference=draft.reference,
            status=MessageStatus.DEFERRED if leaves > self.now else MessageStatus.QUEUED,
            accepted_at=self.now,
            send_at=leaves,
            valid_until=min(case.valid_until, case.ends_at or case.valid_until),
            changed_at=self.now,
            segments=len(case.composed.segments),
            sealed_number=claims.sealed_number if claims else None,
            text=draft.text,
        )

    def _record(
        self, case: Case, decision: Decision, grant: RowKey | None, message: int | None
    ) -> None:
        """Write a line, in the recipient's home where there is one, else in the merchant's."""
        kind, code = decision_event(decision)
        merchant = self.merchants.get(case.merchant_id)
        self.events.append(
            Event(
                partition=grant.partition if grant else (merchant.partition if merchant else 0),
                at=self.now,
                kind=kind,
                merchant_id=case.merchant_id,
                grant_id=grant.id if grant else None,
                message_id=message,
                reason=code,
            )
        )


def _counted_since(held: Mapping[RowKey, LockedGrant], now: datetime) -> datetime:
    """Return from when on messages may count against any of these grants."""
    within = [taken.grant.scope.frequency_cap.window for taken in held.values()]
    return now - max(within, default=MAX_WINDOW)


@lru_cache(maxsize=256)
def _purpose(name: str) -> Purpose | None:
    return Purpose(name) if name in set(Purpose) else None


@lru_cache(maxsize=8)
def _link_of_full_length(base_url: str) -> str:
    return f"{base_url}/m/{encode(bytes(ID_BYTES))}"
