"""Lease due messages in fair shares, and decide each again in the same transaction.

A message whose grant was revoked or paused, or whose frequency cap was used up, since it was
accepted is refused or deferred here: only what may be submitted now stays leased (promise 2).
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from consent_tokens.consent.grant import Grant
from consent_tokens.evidence.events import rules_text
from consent_tokens.policies import LinkMode, RelayPolicy
from consent_tokens.relay.case_recorder import encode_case
from consent_tokens.relay.decision import Accepted, Deferred, Reason, Refused
from consent_tokens.relay.fair_share import fair_shares
from consent_tokens.relay.message import (
    INVITATION_PURPOSE,
    Message,
    MessageOutcome,
    MessageStatus,
    Priority,
)
from consent_tokens.relay.sandbox import is_sandbox
from consent_tokens.relay.templates.template import Template
from consent_tokens.row_key import RowKey
from consent_tokens.rules.limits import counts_recipients
from consent_tokens.rules.pack import RuleSet
from consent_tokens.services.dispatch.cases import DecidedCase, LeasedCases
from consent_tokens.services.dispatch.invitation_bars import barred_invitations
from consent_tokens.services.dispatch.outcomes import (
    complete,
    deferred,
    expired_outcome,
    final_outcome,
)
from consent_tokens.services.dispatch.sandbox_outcomes import SandboxOutcomes
from consent_tokens.services.outbox.in_flight_wait import LEASE_SECONDS
from consent_tokens.services.outbox.service_messages import WITHHELD
from consent_tokens.services.policies_by_rules import with_rules
from consent_tokens.services.preferences.snapshot import PreferenceSnapshot
from consent_tokens.services.rule_versions import rules_in_force
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.sandboxes import sandbox_sender
from consent_tokens.store import (
    dispatch_pauses,
    grants,
    merchants,
    messages,
    outbox,
    preferences,
    senders,
    templates,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.dispatch_pauses import PausedSubjects
from consent_tokens.store.grants import LockedGrant
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.round_trips import one_round_trip
from consent_tokens.store.senders import Sender

LEASE_DURATION: Final = timedelta(seconds=LEASE_SECONDS)
MAX_MERCHANTS_PER_ROUND: Final = 64  # bounds the queries of one round; the others take turns
HELD_TEMPLATE_RETRY: Final = timedelta(minutes=5)  # until a held template is looked at again


class LeasedMessage(Struct, frozen=True):
    """A leased message that may be submitted, and the wrapped key that opens its number.

    `grant` and `sender` are None for the service's own messages. `links` is what rules allow.
    """

    message: Message
    grant: Grant | None
    wrapped_key: bytes
    sender: Sender | None
    links: LinkMode = LinkMode.PER_MESSAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseQuota:
    """How many messages one round may lease, in total and by merchant."""

    limit: int  # messages
    worker_id: str = ""  # of the dispatcher, which may be drained
    turn: int = 0  # number of the round; each round begins with another merchant
    weights: Mapping[str, int] = field(default_factory=dict)  # by merchant id; 1 if absent
    allowed: Mapping[str, int] = field(default_factory=dict)  # by merchant id; unlimited if absent


def lease_messages(
    runtime: Runtime, policy: RelayPolicy, transaction: Transaction, quota: LeaseQuota
) -> tuple[list[LeasedMessage], list[MessageOutcome]]:
    """Lease due messages and decide each again.

    Returns the messages to submit, and the recorded outcomes of those that may not be submitted.
    """
    now = runtime.clock.now()
    paused = dispatch_pauses.paused_subjects(transaction)
    due = [] if paused.stops(quota.worker_id) else _lease_due(transaction, quota, paused, now)
    if not due:
        return [], []
    context = _LeaseContext.load(runtime, policy, transaction, due, now)
    leased: list[LeasedMessage] = []
    completed: list[tuple[Message, MessageOutcome]] = []
    for message in due:
        match context.decide(message):
            case LeasedMessage() as leased_message:
                leased.append(leased_message)
            case MessageOutcome() as outcome:
                completed.append((message, outcome))
    complete(runtime, transaction, completed, now)
    return leased, [outcome for _, outcome in completed]


def _lease_due(
    transaction: Transaction, quota: LeaseQuota, paused: PausedSubjects, now: datetime
) -> list[Message]:
    """Lease the service's own messages, then transactional, then marketing, in fair shares."""
    until, limit = now + LEASE_DURATION, quota.limit
    if paused.merchants:
        nothing = dict.fromkeys(paused.merchants, 0)
        quota = dataclasses.replace(quota, allowed={**quota.allowed, **nothing})
    leased = outbox.lease(transaction, Priority.SERVICE, None, now, until=until, limit=limit)
    for priority in (Priority.TRANSACTIONAL, Priority.MARKETING):
        due = outbox.merchants_due(transaction, priority, now) if limit else []
        merchant_ids = _merchants_of_turn(due, quota)
        weights = {each: quota.weights.get(each, 1) for each in merchant_ids}
        allowed = {each: quota.allowed.get(each, limit) for each in merchant_ids}
        # what a merchant does not use of its share goes to those that have more messages due
        while weights and len(leased) < limit:
            unserved: dict[str, int] = {}
            for merchant_id, share in fair_shares(weights, limit - len(leased), quota.turn).items():
                wanted = min(share, allowed[merchant_id])
                if not wanted:
                    continue
                found = outbox.lease(
                    transaction,
                    priority,
                    merchant_id,
                    now,
                    until=until,
                    limit=wanted,
                    paused_senders=paused.senders_of(merchant_id),
                )
                leased += found
                allowed[merchant_id] -= len(found)
                if len(found) == wanted and allowed[merchant_id]:
                    unserved[merchant_id] = weights[merchant_id]
            weights = unserved
    return leased


def _merchants_of_turn(merchant_ids: Sequence[str], quota: LeaseQuota) -> list[str]:
    """Return the merchants that this round serves; each round begins with others."""
    listed = sorted(each for each in merchant_ids if quota.allowed.get(each, 1))
    if len(listed) <= MAX_MERCHANTS_PER_ROUND:
        return listed
    first = quota.turn * MAX_MERCHANTS_PER_ROUND % len(listed)
    return (listed[first:] + listed[:first])[:MAX_MERCHANTS_PER_ROUND]


@dataclass(slots=True)
class _LeaseContext:
    """What was loaded to decide on the leased messages of one round."""

    rule_set: RuleSet
    grants: Mapping[RowKey, LockedGrant]
    merchants: Mapping[str, Merchant]
    senders: Mapping[str, Sender]
    cases: LeasedCases
    barred_invitations: frozenset[RowKey]
    sandbox_outcomes: SandboxOutcomes
    now: datetime

    @classmethod
    def load(
        cls,
        runtime: Runtime,
        policy: RelayPolicy,
        transaction: Transaction,
        due: Sequence[Message],
        now: datetime,
    ) -> "_LeaseContext":
        rule_set = rules_in_force(runtime, transaction)
        locked = grants.lock(transaction, [each.grant_key for each in due if each.grant_key])
        due_ids = {message.key.id for message in due}  # what is decided now does not count yet
        windows = [each.grant.scope.frequency_cap.window for each in locked.values()]
        since = now - max(rule_set.longest_cap, *windows, timedelta(days=1))
        counted_sends: dict[tuple[RowKey, Priority], list[datetime]] = defaultdict(list)
        with one_round_trip(transaction):
            asked_sends = messages.counted_sends(transaction, list(locked), since, but=due_ids)
            asked = preferences.lock(transaction, {key.partition for key in locked})
        for key, sends in asked_sends().items():
            for send in sends:
                if send.is_submitted:
                    counted_sends[key, send.priority].append(send.send_at)
        snapshot = PreferenceSnapshot.load(
            transaction,
            locked,
            now,
            excluding=due_ids,
            submitted_only=True,
            counted=_counted_over_all(rule_set, now, due),
            asked=asked,
        )
        found_merchants = merchants.find_many(transaction, _present(m.merchant_id for m in due))
        return cls(
            rule_set=rule_set,
            grants=locked,
            merchants=found_merchants,
            senders=senders.find_many(transaction, _present(m.sender_id for m in due)),
            cases=LeasedCases(
                service=runtime.service,
                policy=policy,
                rule_set=rule_set,
                merchants=found_merchants,
                templates=_load_templates(transaction, due),
                counted_sends=counted_sends,
                preferences=snapshot,
                now=now,
            ),
            barred_invitations=barred_invitations(
                transaction, due, with_rules(runtime, policy), now
            ),
            sandbox_outcomes=SandboxOutcomes(runtime, now),
            now=now,
        )

    def decide(self, message: Message) -> LeasedMessage | MessageOutcome:
        """Decide whether a message may be submitted now."""
        if self.now >= message.valid_until:
            return expired_outcome(message, self.now)
        sender = self._sender(message)
        key = message.grant_key
        if key is None:  # a service message, which carries its own data key
            return LeasedMessage(message, None, message.wrapped_key or b"", sender)
        locked = self.grants.get(key)
        return self._decide_merchant_message(message, key, locked, sender)

    def _decide_merchant_message(
        self, message: Message, key: RowKey, locked: LockedGrant | None, sender: Sender | None
    ) -> LeasedMessage | MessageOutcome:
        is_invitation = message.purpose == INVITATION_PURPOSE
        wanted = self.cases.preferences.preferences_of(key)
        is_unwanted = is_invitation and wanted.no_invitations
        if is_unwanted or message.key in self.barred_invitations:
            return self._refused(message, WITHHELD)
        decided = self.cases.decide(message, key, locked, sender)
        match decided.decision:
            case Refused() as refusal:
                return self._with_evidence(self._not_sent(message, refusal), decided)
            case Deferred(send_at=send_at):
                return self._with_evidence(deferred(message, send_at), decided)
            case Accepted():
                if locked is None or locked.wrapped_key is None:
                    return self._refused(message, Reason.CONSENT_REVOKED.value)
                self.cases.count(message, key)
                if is_sandbox(message.merchant_id):  # it never gets to a gateway
                    return self.sandbox_outcomes.of(message, locked.grant, locked.wrapped_key)
                links = decided.case.limits.link_mode
                return LeasedMessage(message, locked.grant, locked.wrapped_key, sender, links)

    def _sender(self, message: Message) -> Sender | None:
        merchant = self.merchants.get(message.merchant_id or "")
        if merchant is not None and merchant.is_sandbox:
            return sandbox_sender(merchant)
        return self.senders.get(message.sender_id or "")

    def _not_sent(self, message: Message, refusal: Refused) -> MessageOutcome:
        """Return the outcome of a refusal: a later time if there is one within the validity."""
        retry_at, reason = None, None
        if refusal.reason in {Reason.CAP_REACHED, Reason.RULE_FORBIDS}:
            retry_at = refusal.next_at
        elif refusal.reason is Reason.HELD_BACK:
            retry_at, reason = self.now + HELD_TEMPLATE_RETRY, refusal.reason.value
        if retry_at and retry_at < message.valid_until:
            return deferred(message, retry_at, reason)
        return self._refused(message, refusal.reason.value)

    def _refused(self, message: Message, reason: str) -> MessageOutcome:
        return final_outcome(message, MessageStatus.REFUSED, self.now, reason=reason)

    def _with_evidence(self, outcome: MessageOutcome, decided: DecidedCase) -> MessageOutcome:
        """Return an outcome with what its event keeps of the decision."""
        decision = decided.decision
        rules = decision.rules if isinstance(decision, Refused) else ()
        return replace(
            outcome,
            rules=rules_text(self.rule_set.version, rules),
            inputs=encode_case(decided.case, decision, decided.alike),
        )


def _counted_over_all(rule_set: RuleSet, now: datetime, due: Sequence[Message]) -> set[int]:
    """Return the recipients of whom rules count the texts of all merchants: of limited texts."""
    if not counts_recipients(rule_set, now.date()):
        return set()
    return {each.key.partition for each in due if each.priority is Priority.MARKETING}


def _load_templates(
    transaction: Transaction, due: Sequence[Message]
) -> Mapping[tuple[str, int], Template]:
    """Return the templates of these messages as they are now: no statement if they have none."""
    ids = {each.template_id for each in due if each.template_id}
    return templates.all_versions(transaction, ids) if ids else {}


def _present(ids: Iterable[str | None]) -> list[str]:
    return [each for each in ids if each]
