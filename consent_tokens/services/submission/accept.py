"""Accept messages: decide each, count it against the frequency cap, enqueue it, record an event.

Tokens are verified before the transaction begins. Inside it the number of statements does
not depend on the number of messages: grants, merchants and sends are loaded for all of them first.
"""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from msgspec.structs import replace

from consent_tokens.consent.scope import MAX_DAYS
from consent_tokens.errors import TokenError
from consent_tokens.evidence.events import Event, decision_kind, rules_text
from consent_tokens.evidence.rollups import Counted, Measure, counted_for, of_messages
from consent_tokens.metrics import RULES_SHADOW
from consent_tokens.policies import RelayPolicy
from consent_tokens.relay.case import Case
from consent_tokens.relay.case_recorder import encode_case
from consent_tokens.relay.checks import stopping_rules
from consent_tokens.relay.decision import (
    Accepted,
    Decision,
    Deferred,
    Reason,
    Refused,
    is_limited,
)
from consent_tokens.relay.message import (
    COUNTED,
    HELD_BACK,
    Message,
    MessageStatus,
    Priority,
)
from consent_tokens.relay.pacing import Pacing, day_of
from consent_tokens.relay.sandbox import refusal_of
from consent_tokens.relay.templates.template import Template
from consent_tokens.row_key import RowKey
from consent_tokens.rules.limits import Limits, counts_recipients
from consent_tokens.rules.pack import RuleSet
from consent_tokens.services.preferences.snapshot import PreferenceSnapshot
from consent_tokens.services.rollups.counting import count
from consent_tokens.services.rule_versions import rules_in_force
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.submission.cases import Cases, Submission, SubmissionCase
from consent_tokens.services.submission.daily_limits import DailyLimits
from consent_tokens.services.submission.message_request import (
    MessageRequest,
    SubmissionResult,
    VerifiedRequest,
)
from consent_tokens.services.submission.paces import Paces
from consent_tokens.services.submission.plans import Plans
from consent_tokens.services.submission.standing import Standing, Standings
from consent_tokens.services.submission.template_texts import (
    PreparedText,
    TemplateTexts,
)
from consent_tokens.services.token_verification import PresentedToken, verify_tokens
from consent_tokens.store import grants, messages, outbox, preferences, token_macs
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import LockedGrant
from consent_tokens.store.round_trips import Asked, one_round_trip
from consent_tokens.store.senders import Sender
from consent_tokens.tokens.claims import Claims

MAX_WINDOW: Final = timedelta(days=MAX_DAYS)  # of a frequency cap


def verify_requests(
    runtime: Runtime, requests: Sequence[tuple[str, MessageRequest]]
) -> list[VerifiedRequest]:
    """Verify the tokens of requests, each with its merchant's id. Raises as the database does."""
    verified = verify_tokens(
        runtime,
        [PresentedToken(merchant_id, request.token) for merchant_id, request in requests],
    )
    return [
        VerifiedRequest(
            request,
            refusal_of(merchant_id, request.token) or Reason(token.claims.error_code)
            if isinstance(token.claims, TokenError)
            else token.claims,
            token.change,
            token.grant,
        )
        for (merchant_id, request), token in zip(requests, verified, strict=True)
    ]


def accept_all(
    runtime: Runtime,
    policy: RelayPolicy,
    transaction: Transaction,
    submissions: Sequence[tuple[str, VerifiedRequest]],
    *,
    is_trial: bool = False,
) -> list[SubmissionResult]:
    """Return the relay's decision on each (merchant id, verified request), in order.

    An accepted message is durable once the transaction has been committed (promise 7). With
    `is_trial` the caller rolls it back, and no metric counts what was decided.
    """
    standings = ask_standings(runtime, transaction, [each for each, _ in submissions])
    decided = decide_all(runtime, policy, transaction, submissions, standings(), is_trial=is_trial)
    decided.insert(transaction)
    return decided.results


def ask_standings(
    runtime: Runtime, transaction: Transaction, merchant_ids: Iterable[str]
) -> Asked[Standings]:
    """Ask for what these merchants may do now."""
    return Standings.ask(transaction, set(merchant_ids), runtime.service, runtime.clock.now())


class Decided(NamedTuple):
    """Decisions, and what inserts the messages and the evidence of them."""

    results: list[SubmissionResult]
    insert: Callable[[Transaction], None]


def decide_all(
    runtime: Runtime,
    policy: RelayPolicy,
    transaction: Transaction,
    submissions: Sequence[tuple[str, VerifiedRequest]],
    standings: Standings,
    *,
    is_trial: bool = False,
) -> Decided:
    """Decide as `accept_all`, and update what is counted; nothing is inserted yet."""
    context = _AcceptContext.load(
        runtime, policy, transaction, submissions, standings, is_trial=is_trial
    )
    results = [context.decide(merchant_id, verified) for merchant_id, verified in submissions]
    context.cases.save(runtime, transaction)
    token_macs.replace(transaction, [each.mac for _, each in submissions if each.mac])
    return Decided(results, context.insert)


@dataclass(slots=True)
class _AcceptContext:
    """What was loaded for the submissions of one transaction, and what it will write."""

    runtime: Runtime
    standings: Standings
    keys: Mapping[str, RowKey]  # by public grant id
    template_texts: TemplateTexts
    cases: Cases
    ids: Iterator[int]  # one for each submission
    now: datetime
    is_trial: bool
    enqueued: list[Message] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    refused: list[Counted] = field(default_factory=list)  # for rollups

    @classmethod
    def load(
        cls,
        runtime: Runtime,
        policy: RelayPolicy,
        transaction: Transaction,
        submissions: Sequence[tuple[str, VerifiedRequest]],
        standings: Standings,
        *,
        is_trial: bool,
    ) -> "_AcceptContext":
        now = standings.now
        rule_set = rules_in_force(runtime, transaction)
        # before the grants, as whoever lets held messages go locks nothing else with a pacing
        requests = [(merchant_id, verified.request) for merchant_id, verified in submissions]
        paces = Paces.load(transaction, policy.pacing, standings, requests, now)
        # only grants of the submitting merchant are read (promise 4)
        keys = {
            verified.claims.jti: verified.grant
            for merchant_id, verified in submissions
            if isinstance(verified.claims, Claims)
            and verified.claims.merchant_id == merchant_id
            and verified.grant is not None
        }
        locked = grants.lock(transaction, list(keys.values()))
        since = _counted_since(locked, now, rule_set.longest_cap)
        counted = _counted_over_all(rule_set, now, submissions, keys)
        counted_sends: dict[tuple[RowKey, Priority], list[datetime]] = defaultdict(list)
        with one_round_trip(transaction):
            asked_sends = messages.counted_sends(transaction, list(locked), since)
            asked = preferences.lock(transaction, {key.partition for key in locked})
        for key, sends in asked_sends().items():
            for send in sends:
                counted_sends[key, send.priority].append(send.send_at)
        template_texts = _load_template_texts(runtime, transaction, submissions, keys)
        cases = Cases(
            service=runtime.service,
            policy=policy,
            rule_set=rule_set,
            grants=locked,
            counted_sends=counted_sends,
            preferences=PreferenceSnapshot.load(
                transaction, locked, now, counted=counted, asked=asked
            ),
            paces=paces,
            daily_limits=DailyLimits.load(
                transaction,
                standings.merchants,
                [(merchant_id, each.request.purpose) for merchant_id, each in submissions],
                now.astimezone(policy.pacing.timezone).date(),
            ),
            plans=Plans.load(transaction, standings, requests, now),
            now=now,
        )
        ids = iter(runtime.new_ids(len(submissions)))
        return cls(runtime, standings, keys, template_texts, cases, ids, now, is_trial)

    def insert(self, transaction: Transaction) -> None:
        """Insert what was accepted, the evidence of each decision, and what rollups count."""
        outbox.enqueue(transaction, self.enqueued)
        self.runtime.record(transaction, *self.events)
        count(self.runtime, transaction, self.counted)

    def decide(self, merchant_id: str, verified: VerifiedRequest) -> SubmissionResult:
        """Decide one message, and collect what is to be written for it."""
        each = self._submission(merchant_id, verified)
        key, sender = each.key, each.standing.sender
        found = self.cases.of(each)
        case = found.case
        decision = found.decide()
        if isinstance(decision, Refused) or key is None or sender is None:
            return self._refuse(each, found, decision)
        if case.limits.shadow and not self.is_trial:
            _count_shadow(case.limits.shadow, case)
        message = self._message(each, case, key, sender)
        if each.pacing is not None:
            message = self._paced(each.pacing, message, case)
        self.enqueued.append(message)
        # before the message counts, because the case has the lists that it is counted in
        event = self._event(found, decision, key.partition, key, message_id=message.key.id)
        self.events.append(event)
        self._count(each, case, decision, key)
        left = case.composed.characters_left
        return SubmissionResult(decision, message.key, message.segments, left)

    def _submission(self, merchant_id: str, verified: VerifiedRequest) -> Submission:
        """Look up what is known of a message before it is decided."""
        key, claims, request = None, verified.claims, verified.request
        if isinstance(claims, Claims) and claims.merchant_id == merchant_id:
            key = self.keys.get(claims.jti)
        standing = self.standings.of(merchant_id, request.purpose, request.sender_id)
        text = self._prepare(merchant_id, standing, request, key)
        template = text.use.template if text.use else None
        pacing = self.cases.paces.of(request, standing, template)
        return Submission(merchant_id, verified, key, standing, text, pacing)

    def _count(
        self, each: Submission, case: Case, decision: Accepted | Deferred, key: RowKey
    ) -> None:
        """Count an accepted message wherever texts are limited."""
        cases, priority, send_at = self.cases, each.standing.priority, decision.send_at
        self.template_texts.count(key, each.text)
        insort(cases.counted_sends[key, priority], send_at)
        cases.preferences.count(key, priority, send_at)
        cases.daily_limits.count(case.merchant_id, case.purpose_class)
        cases.plans.count(case, decision)

    def _refuse(
        self, each: Submission, found: SubmissionCase, decision: Decision
    ) -> SubmissionResult:
        """Return a refusal, with the key of the event that it is recorded as.

        That is in the recipient's partition if it is known, else in the merchant's.
        """
        case, standing = found.case, each.standing
        self.cases.plans.count(case, decision)
        grant = each.key if each.key in self.cases.grants else None
        partition = grant.partition if grant else standing.partition
        key = RowKey(partition, next(self.ids))
        event = self._event(found, decision, partition, grant, event_id=key.id)
        self.events.append(event)
        sender, template = standing.sender, each.template
        of = counted_for(
            case.merchant_id,
            sender.id if sender else None,
            template.id if template else None,
            case.purpose,
        )
        if of:
            self.refused.append(Counted(day_of(self.now), of, Measure.REFUSED, event.reason or ""))
        return SubmissionResult(decision, event=key, segments=len(case.composed.segments))

    @property
    def counted(self) -> Counter[Counted]:
        """Return what rollups count of the decisions."""
        return Counter(self.refused) + of_messages(self.enqueued, Measure.ACCEPTED, self.now)

    def _paced(self, pacing: Pacing, message: Message, case: Case) -> Message:
        """Return an accepted message with its place in a part, or held back."""
        self.cases.paces.take(pacing)
        if not case.is_held_back:
            return replace(message, pacing_id=pacing.id, pacing=COUNTED)
        return replace(
            message,
            status=MessageStatus.DEFERRED,
            reason=Reason.HELD_BACK.value,
            pacing_id=pacing.id,
            pacing=HELD_BACK,
            held_from=message.send_at,
            send_at=message.valid_until,  # until somebody lets it go, it expires
        )

    def _prepare(
        self, merchant_id: str, standing: Standing, request: MessageRequest, key: RowKey | None
    ) -> PreparedText:
        """Return the text of a message: its own, or its template's, filled in."""
        if request.template is None:
            return PreparedText(request.text)
        return self.template_texts.prepare(
            merchant_id,
            request.template,
            request.event,
            grant=key,
            link_domains=standing.link_domains,
        )

    def _message(self, each: Submission, case: Case, key: RowKey, sender: Sender) -> Message:
        claims, template, now = case.claims, each.template, self.now
        return Message(
            key=RowKey(key.partition, next(self.ids)),
            grant_key=key,
            merchant_id=case.merchant_id,
            sender_id=sender.id,
            priority=each.standing.priority,
            purpose=case.purpose,
            reference=each.verified.request.reference,
            status=MessageStatus.DEFERRED if case.send_at > now else MessageStatus.QUEUED,
            accepted_at=now,
            send_at=case.send_at,
            valid_until=min(case.valid_until, case.ends_at or case.valid_until),
            changed_at=now,
            segments=len(case.composed.segments),
            sealed_number=claims.sealed_number if claims else None,
            text=case.text,
            template_id=template.id if template else None,
            template_version=template.version if template else None,
            value_hashes=self._value_hashes(template, each.text),
            event_hash=each.text.event_hash,
        )

    def _value_hashes(self, template: Template | None, text: PreparedText) -> bytes | None:
        """Return what the repeat counter counts; None if nothing of the text is counted."""
        if template is None or text.filled is None:
            return None
        return self.runtime.value_hashes(template, text.filled) or None

    def _event(
        self,
        found: SubmissionCase,
        decision: Decision,
        partition: int,
        grant: RowKey | None,
        *,
        message_id: int | None = None,
        event_id: int | None = None,
    ) -> Event:
        kind, reason = decision_kind(decision)
        return Event(
            partition=partition,
            at=self.now,
            kind=kind,
            merchant_id=found.case.merchant_id,
            grant_id=grant.id if grant else None,
            message_id=message_id,
            reason=reason,
            rules=self._rules_of(decision),
            inputs=encode_case(found.case, decision, found.alike),
            id=event_id,
        )

    def _rules_of(self, decision: Decision) -> str:
        """Return the version of the rules, with the ids of those that refused."""
        version = self.cases.rule_set.version
        return rules_text(version, decision.rules) if isinstance(decision, Refused) else version


def _count_shadow(shadow: Limits, case: Case) -> None:
    """Count what new rules would not have let leave."""
    stopping = stopping_rules(
        shadow, case.counted_sends, case.marketing_sends, case.send_at, case.plans
    )
    for rule in stopping:
        RULES_SHADOW.labels(rule.id).inc()


def _load_template_texts(
    runtime: Runtime,
    transaction: Transaction,
    submissions: Sequence[tuple[str, VerifiedRequest]],
    keys: Mapping[str, RowKey],
) -> TemplateTexts:
    """Load what the messages that name a template need; the grants are locked already."""
    named = [
        (
            each.request.template,
            each.request.event,
            keys.get(each.claims.jti) if isinstance(each.claims, Claims) else None,
        )
        for _, each in submissions
        if each.request.template is not None
    ]
    return TemplateTexts.load(transaction, runtime.keyring.index, named)


def _counted_over_all(
    rule_set: RuleSet,
    now: datetime,
    submissions: Sequence[tuple[str, VerifiedRequest]],
    keys: Mapping[str, RowKey],
) -> set[int]:
    """Return the recipients of whom rules count the texts of all merchants: of limited texts."""
    if not counts_recipients(rule_set, now.date()):
        return set()
    return {
        key.partition
        for _, each in submissions
        if is_limited(each.request.purpose)
        and isinstance(each.claims, Claims)
        and (key := keys.get(each.claims.jti))
    }


def _counted_since(
    locked: Mapping[RowKey, LockedGrant], now: datetime, longest_cap: timedelta
) -> datetime:
    """Return the start of the longest frequency cap window of these grants, and of the rules."""
    windows = [each.grant.scope.frequency_cap.window for each in locked.values()]
    return now - max(longest_cap, max(windows, default=MAX_WINDOW))
