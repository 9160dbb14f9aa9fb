"""Accept messages: decide each, count it against the frequency cap, enqueue it, record an event.

Token signatures are verified before the transaction begins. Inside it the number of statements does
not depend on the number of messages: grants, merchants and sends are loaded for all of them first.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from msgspec import Struct

from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.consent.scope import MAX_DAYS
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.opaque_ids import PUBLIC_ID_BYTES
from consent_tokens.errors import TokenError
from consent_tokens.evidence.events import Event, decision_kind
from consent_tokens.policies import RelayPolicy
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
from consent_tokens.row_key import RowKey
from consent_tokens.services.preferences.snapshot import PreferenceSnapshot
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, link_domains, merchants, messages, outbox
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import LockedGrant
from consent_tokens.store.merchants import Merchant, is_active
from consent_tokens.store.senders import Sender, first_usable
from consent_tokens.tokens.claims import Claims

MAX_WINDOW: Final = timedelta(days=MAX_DAYS)  # of a frequency cap


class MessageRequest(Struct, frozen=True, kw_only=True):
    """A message that a merchant wants to send; the token stands for the phone number."""

    token: str
    purpose: str
    text: str
    reference: str | None = None
    send_at: datetime | None = None
    validity: timedelta = DEFAULT_VALIDITY


class VerifiedRequest(Struct, frozen=True):
    """A message request, with the claims of its token, or why the token is invalid."""

    request: MessageRequest
    claims: Claims | Reason


class SubmissionResult(Struct, frozen=True):
    """The relay's decision on one message; `key` and `segments` if it was accepted."""

    decision: Decision
    key: RowKey | None = None
    segments: int = 0


def verify_request(runtime: Runtime, request: MessageRequest) -> VerifiedRequest:
    """Verify the token of a request."""
    try:
        claims = runtime.verify_token(request.token)
    except TokenError as error:
        return VerifiedRequest(request, Reason(error.error_code))
    return VerifiedRequest(request, claims)


def accept_all(
    runtime: Runtime,
    policy: RelayPolicy,
    transaction: Transaction,
    submissions: Sequence[tuple[str, VerifiedRequest]],
) -> list[SubmissionResult]:
    """Return the relay's decision on each (merchant id, verified request), in order.

    An accepted message is durable once the transaction has been committed (promise 7).
    """
    context = _AcceptContext.load(runtime, policy, transaction, submissions)
    results = [context.decide(merchant_id, verified) for merchant_id, verified in submissions]
    outbox.enqueue(transaction, context.enqueued)
    runtime.record(transaction, *context.events)
    return results


@dataclass(slots=True)
class _AcceptContext:
    """What was loaded for the submissions of one transaction, and what it will write."""

    runtime: Runtime
    policy: RelayPolicy
    merchants: Mapping[str, Merchant]
    senders: Mapping[str, Sequence[Sender]]  # by merchant id; the first admitted comes first
    link_domains: Mapping[str, frozenset[str]]  # by merchant id
    keys: Mapping[str, RowKey]  # by public grant id
    grants: Mapping[RowKey, LockedGrant]
    counted_sends: dict[tuple[RowKey, Priority], list[datetime]]
    preferences: PreferenceSnapshot
    now: datetime
    enqueued: list[Message]
    events: list[Event]

    @classmethod
    def load(
        cls,
        runtime: Runtime,
        policy: RelayPolicy,
        transaction: Transaction,
        submissions: Sequence[tuple[str, VerifiedRequest]],
    ) -> "_AcceptContext":
        now = runtime.clock.now()
        by_id, senders = merchants.find_with_senders(
            transaction, {merchant_id for merchant_id, _ in submissions}
        )
        # only grants of the submitting merchant are read (promise 4)
        grant_ids = {
            verified.claims.jti
            for merchant_id, verified in submissions
            if isinstance(verified.claims, Claims) and verified.claims.merchant_id == merchant_id
        }
        keys = runtime.ids.grant.decode_all(grant_ids)
        locked = grants.lock(transaction, list(keys.values()))
        since = _counted_since(locked, now)
        counted_sends: dict[tuple[RowKey, Priority], list[datetime]] = defaultdict(list)
        for key, sends in messages.counted_sends(transaction, list(locked), since).items():
            for send in sends:
                counted_sends[key, send.priority].append(send.send_at)
        return cls(
            runtime=runtime,
            policy=policy,
            merchants=by_id,
            senders=senders,
            link_domains=link_domains.of_merchants(transaction, list(by_id)),
            keys=keys,
            grants=locked,
            counted_sends=counted_sends,
            preferences=PreferenceSnapshot.load(transaction, locked, now),
            now=now,
            enqueued=[],
            events=[],
        )

    def decide(self, merchant_id: str, verified: VerifiedRequest) -> SubmissionResult:
        """Decide one message, and collect what is to be written for it."""
        key = None
        claims = verified.claims
        if isinstance(claims, Claims) and claims.merchant_id == merchant_id:
            key = self.keys.get(claims.jti)
        purpose = _purpose(verified.request.purpose)
        priority = priority_of(purpose) if purpose else Priority.MARKETING
        sender = self._sender(merchant_id, purpose)
        case = self._case(merchant_id, verified, key, priority, sender)
        decision = decide(case)
        if isinstance(decision, Refused) or key is None or sender is None:
            self._record(case, decision, key if key in self.grants else None, None)
            return SubmissionResult(decision)
        message = self._message(case, verified.request, key, priority, sender)
        self.enqueued.append(message)
        insort(self.counted_sends[key, priority], decision.send_at)
        self.preferences.count(key, priority, decision.send_at)
        self._record(case, decision, key, message.key.id)
        return SubmissionResult(decision, message.key, message.segments)

    def _sender(self, merchant_id: str, purpose: Purpose | None) -> Sender | None:
        """Return the merchant's first sender that is admitted for the class of a purpose."""
        purpose_class = purpose.purpose_class if purpose else PurposeClass.MARKETING
        return first_usable(self.senders.get(merchant_id, ()), purpose_class, self.now)

    def _case(
        self,
        merchant_id: str,
        verified: VerifiedRequest,
        key: RowKey | None,
        priority: Priority,
        sender: Sender | None,
    ) -> Case:
        request = verified.request
        locked = self.grants.get(key) if key else None
        not_before = request.send_at or self.now
        return Case(
            merchant_id=merchant_id,
            is_merchant_active=is_active(self.merchants.get(merchant_id), self.runtime.service),
            has_sender=sender is not None,
            token=verified.claims,
            grant=locked.grant if locked else None,
            purpose=request.purpose,
            text=request.text,
            link_domains=self.link_domains.get(merchant_id, frozenset()),
            composed=self._compose(request, locked, priority, sender),
            max_segments=self.policy.max_segments,
            counted_sends=self.counted_sends[key, priority] if key else (),
            transactional_cap=self.policy.transactional_frequency_cap,
            not_before=not_before,
            valid_until=max(not_before, self.now) + request.validity,
            now=self.now,
            preferences=self.preferences.preferences_of(key),
            marketing_sends=self.preferences.marketing_sends_of(key),
        )

    def _compose(
        self,
        request: MessageRequest,
        locked: LockedGrant | None,
        priority: Priority,
        sender: Sender | None,
    ) -> ComposedText:
        """Return the text as it will be sent, with a placeholder for its link."""
        link = None
        if priority is Priority.MARKETING:
            link = _placeholder_link(self.runtime.service.base_url)
        return compose(
            with_signature_and_opt_out(
                request.text,
                signature=sender.signature if sender else "",
                language=locked.grant.language if locked else "zh-CN",
                link=link,
            )
        )

    def _message(
        self, case: Case, request: MessageRequest, key: RowKey, priority: Priority, sender: Sender
    ) -> Message:
        claims, send_at = case.claims, case.send_at
        return Message(
            key=self.runtime.new_key(key.partition),
            grant_key=key,
            merchant_id=case.merchant_id,
            sender_id=sender.id,
            priority=priority,
            purpose=request.purpose,
            reference=request.reference,
            status=MessageStatus.DEFERRED if send_at > self.now else MessageStatus.QUEUED,
            accepted_at=self.now,
            send_at=send_at,
            valid_until=min(case.valid_until, case.ends_at or case.valid_until),
            changed_at=self.now,
            segments=len(case.composed.segments),
            sealed_number=claims.sealed_number if claims else None,
            text=request.text,
        )

    def _record(
        self, case: Case, decision: Decision, grant: RowKey | None, message_id: int | None
    ) -> None:
        """Collect an event: in the recipient's partition if it is known, else the merchant's."""
        kind, reason = decision_kind(decision)
        merchant = self.merchants.get(case.merchant_id)
        self.events.append(
            Event(
                partition=grant.partition if grant else (merchant.partition if merchant else 0),
                at=self.now,
                kind=kind,
                merchant_id=case.merchant_id,
                grant_id=grant.id if grant else None,
                message_id=message_id,
                reason=reason,
            )
        )


def _counted_since(locked: Mapping[RowKey, LockedGrant], now: datetime) -> datetime:
    """Return the start of the longest frequency cap window of these grants."""
    windows = [each.grant.scope.frequency_cap.window for each in locked.values()]
    return now - max(windows, default=MAX_WINDOW)


def _purpose(name: str) -> Purpose | None:
    return Purpose(name) if name in Purpose else None


@lru_cache(maxsize=8)
def _placeholder_link(base_url: str) -> str:
    """Return a link as long as any link that is inserted at submission."""
    return f"{base_url}/m/{encode(bytes(PUBLIC_ID_BYTES))}"
