"""Lease the messages that are due, in fair shares, and decide each again in the same step.

What was revoked, paused or used up since a message was accepted is refused or deferred here, so
that only messages that may be submitted at this moment keep their lease (promise 2).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from consent_tokens.consent.grant import Grant
from consent_tokens.policies import RelayPolicy
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
from consent_tokens.row_key import RowKey
from consent_tokens.services.dispatch.outcomes import complete, final_outcome
from consent_tokens.services.outbox.in_flight import LEASE_SECONDS
from consent_tokens.services.outbox.service_messages import WITHHELD
from consent_tokens.services.preferences.snapshot import PreferenceSnapshot
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, merchants, messages, outbox
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import LockedGrant
from consent_tokens.store.merchants import Merchant, Sender, is_active

LEASE_DURATION: Final = timedelta(seconds=LEASE_SECONDS)
MAX_MERCHANTS_PER_ROUND: Final = 64  # of one round; the others follow in the next rounds
NO_TEXT: Final = ComposedText(Coding.GSM7, (b"",))


class LeasedMessage(Struct, frozen=True):
    """A leased message that may be submitted, with what is needed to open its number.

    `grant` and `sender` are None for the service's own messages.
    """

    message: Message
    grant: Grant | None
    wrapped_key: bytes
    sender: Sender | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseQuota:
    """How much one round may lease, and which merchants come first."""

    limit: int  # messages
    turn: int = 0  # of the round: another merchant comes first in each
    weights: Mapping[str, int] = field(default_factory=dict)  # by merchant id; 1 if not named
    allowed: Mapping[str, int] = field(default_factory=dict)  # at most so many, if named


def lease_messages(
    runtime: Runtime, policy: RelayPolicy, transaction: Transaction, quota: LeaseQuota
) -> tuple[list[LeasedMessage], list[MessageOutcome]]:
    """Lease what is due and decide again.

    Returns the messages to submit, and the outcomes of those that may not be: they are recorded.
    """
    now = runtime.clock.now()
    due = _lease_due(transaction, quota, now)
    if not due:
        return [], []
    context = _LeaseContext.load(policy, transaction, due, now)
    leased: list[LeasedMessage] = []
    completed: list[tuple[Message, MessageOutcome]] = []
    for message in due:
        match context.decide(message):
            case LeasedMessage() as each:
                leased.append(each)
            case MessageOutcome() as outcome:
                completed.append((message, outcome))
    complete(runtime, transaction, completed, now)
    return leased, [outcome for _, outcome in completed]


def _lease_due(transaction: Transaction, quota: LeaseQuota, now: datetime) -> list[Message]:
    """Lease the service's own messages, then transactional, then marketing, in fair shares."""
    until, limit = now + LEASE_DURATION, quota.limit
    leased = outbox.lease(transaction, Priority.SERVICE, None, now, until=until, limit=limit)
    for priority in (Priority.TRANSACTIONAL, Priority.MARKETING):
        due = outbox.merchants_due(transaction, priority, now) if limit else []
        names = _merchants_in_turn(due, quota)
        weights = {name: quota.weights.get(name, 1) for name in names}
        allowed = {name: quota.allowed.get(name, limit) for name in names}
        # what one merchant leaves of its share goes to those that have more waiting
        while weights and len(leased) < limit:
            with_more: dict[str, int] = {}
            for name, share in fair_shares(weights, limit - len(leased), quota.turn).items():
                wanted = min(share, allowed[name])
                if not wanted:
                    continue
                found = outbox.lease(transaction, priority, name, now, until=until, limit=wanted)
                leased += found
                allowed[name] -= len(found)
                if len(found) == wanted and allowed[name]:
                    with_more[name] = weights[name]
            weights = with_more
    return leased


def _merchants_in_turn(names: Sequence[str], quota: LeaseQuota) -> list[str]:
    """Return as many merchants as one round serves; each round begins with others."""
    listed = sorted(name for name in names if quota.allowed.get(name, 1))
    if len(listed) <= MAX_MERCHANTS_PER_ROUND:
        return listed
    first = quota.turn * MAX_MERCHANTS_PER_ROUND % len(listed)
    return (listed[first:] + listed[:first])[:MAX_MERCHANTS_PER_ROUND]


@dataclass(slots=True)
class _LeaseContext:
    """What was loaded to decide on the messages that were leased together."""

    policy: RelayPolicy
    grants: Mapping[RowKey, LockedGrant]
    merchants: Mapping[str, Merchant]
    senders: Mapping[str, Sender]
    counted_sends: dict[tuple[RowKey, Priority], list[datetime]]
    preferences: PreferenceSnapshot
    now: datetime

    @classmethod
    def load(
        cls, policy: RelayPolicy, transaction: Transaction, due: Sequence[Message], now: datetime
    ) -> "_LeaseContext":
        locked = grants.lock(transaction, [each.grant_key for each in due if each.grant_key])
        own = {message.key.id for message in due}
        windows = [each.grant.scope.frequency_cap.window for each in locked.values()]
        since = now - max(windows, default=timedelta(days=1))
        counted_sends: dict[tuple[RowKey, Priority], list[datetime]] = defaultdict(list)
        counted = messages.counted_sends(transaction, list(locked), since, but=own)
        for key, sends in counted.items():
            for send in sends:
                if send.is_submitted:
                    counted_sends[key, send.priority].append(send.send_at)
        return cls(
            policy=policy,
            grants=locked,
            merchants=merchants.find_many(transaction, _present(m.merchant_id for m in due)),
            senders=merchants.find_senders(transaction, _present(m.sender_id for m in due)),
            counted_sends=counted_sends,
            preferences=PreferenceSnapshot.load(
                transaction, locked, now, but=own, submitted_only=True
            ),
            now=now,
        )

    def decide(self, message: Message) -> LeasedMessage | MessageOutcome:
        """Decide whether a message may be submitted now."""
        if self.now >= message.valid_until:
            return final_outcome(message, MessageStatus.EXPIRED, self.now)
        sender = self.senders.get(message.sender_id or "")
        key = message.grant_key
        if key is None:  # the service's own: it carries its data key
            return LeasedMessage(message, None, message.wrapped_key or b"", sender)
        locked = self.grants.get(key)
        if message.purpose == INVITATION_PURPOSE:
            return self._decide_invitation(message, key, locked, sender)
        return self._decide_merchant_message(message, key, locked, sender)

    def _decide_merchant_message(
        self, message: Message, key: RowKey, locked: LockedGrant | None, sender: Sender | None
    ) -> LeasedMessage | MessageOutcome:
        match decide(self._case(message, key, locked, sender)):
            case Refused(reason=reason, next_at=next_at):
                if reason is Reason.CAP_REACHED and next_at and next_at < message.valid_until:
                    return _deferred(message, next_at)
                return self._refused(message, reason.value)
            case Deferred(send_at=send_at):
                return _deferred(message, send_at)
            case Accepted():
                if locked is None or locked.wrapped_key is None:
                    return self._refused(message, Reason.CONSENT_REVOKED.value)
                self.counted_sends[key, message.priority].append(self.now)
                self.preferences.count(key, message.priority, self.now)
                return LeasedMessage(message, locked.grant, locked.wrapped_key, sender)

    def _decide_invitation(
        self, message: Message, key: RowKey, locked: LockedGrant | None, sender: Sender | None
    ) -> LeasedMessage | MessageOutcome:
        """Submit an invitation under the grant of another purpose, if that may be (promise 12)."""
        preferences = self.preferences.preferences_of(key)
        if locked is None or locked.wrapped_key is None or sender is None:
            return self._refused(message, Reason.CONSENT_REVOKED.value)
        if preferences.no_invitations or preferences.is_quiet_at(self.now):
            return self._refused(message, WITHHELD)
        return LeasedMessage(message, locked.grant, locked.wrapped_key, sender)

    def _refused(self, message: Message, reason: str) -> MessageOutcome:
        return final_outcome(message, MessageStatus.REFUSED, self.now, reason=reason)

    def _case(
        self, message: Message, key: RowKey, locked: LockedGrant | None, sender: Sender | None
    ) -> Case:
        merchant_id = message.merchant_id or ""
        return Case(
            merchant_id=merchant_id,
            is_merchant_active=is_active(self.merchants.get(merchant_id)),
            has_sender=sender is not None,
            token=None,  # it was verified when the message was accepted
            grant=locked.grant if locked else None,
            purpose=message.purpose,
            text="",  # it was checked when the message was accepted
            composed=NO_TEXT,
            max_segments=self.policy.max_segments,
            counted_sends=self.counted_sends[key, message.priority],
            transactional_cap=self.policy.transactional_frequency_cap,
            not_before=self.now,
            valid_until=message.valid_until,
            now=self.now,
            preferences=self.preferences.preferences_of(key),
            marketing_sends=self.preferences.marketing_sends_of(key),
        )


def _deferred(message: Message, send_at: datetime) -> MessageOutcome:
    return MessageOutcome(
        key=message.key,
        attempts=message.attempts,
        status=MessageStatus.DEFERRED,
        send_at=send_at,
        counts_as_attempt=False,
    )


def _present(ids: Iterable[str | None]) -> list[str]:
    return [each for each in ids if each]
