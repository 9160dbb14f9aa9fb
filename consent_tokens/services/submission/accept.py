"""Accept messages: decide each, count it against the frequency cap, enqueue it, record an event.

Tokens are verified before the transaction begins. Inside it the number of statements does
not depend on the number of messages: grants, merchants and sends are loaded for all of them first.
"""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from msgspec.structs import replace

from consent_tokens.consent.scope import MAX_DAYS
from consent_tokens.crypto.message_link_ids import PLACEHOLDER_LINK_ID
from consent_tokens.errors import TokenError
from consent_tokens.evidence.events import Event, decision_kind, rules_text
from consent_tokens.evidence.rollups import Counted, Measure, counted_for, of_messages
from consent_tokens.metrics import RULES_SHADOW
from consent_tokens.policies import LinkMode, RelayPolicy
from consent_tokens.relay.case import Case, limits_of
from consent_tokens.relay.case_recorder import CaseRecorder
from consent_tokens.relay.checks import decide, stopping_rules
from consent_tokens.relay.composition import ComposedText, compose, with_signature_and_opt_out
from consent_tokens.relay.decision import Decision, Reason, Refused, class_of, is_limited
from consent_tokens.relay.message import (
    COUNTED,
    HELD_BACK,
    Message,
    MessageStatus,
    Priority,
)
from consent_tokens.relay.pacing import Pacing, PacingStatus, day_of
from consent_tokens.relay.sandbox import refusal_of
from consent_tokens.relay.templates.template import Template
from consent_tokens.row_key import RowKey
from consent_tokens.rules.limits import Limits, counts_recipients
from consent_tokens.rules.pack import RuleSet
from consent_tokens.services.preferences.snapshot import PreferenceSnapshot
from consent_tokens.services.rollups.counting import count
from consent_tokens.services.rule_versions import rules_in_force
from consent_tokens.services.runtime import Runtime
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
    context.paces.save(transaction)
    context.daily_limits.save(transaction)
    context.plans.save(runtime, transaction, context.now)
    token_macs.replace(transaction, [each.mac for _, each in submissions if each.mac])
    return Decided(results, context.insert)


@dataclass(slots=True)
class _AcceptContext:
    """What was loaded for the submissions of one transaction, and what it will write."""

    runtime: Runtime
    policy: RelayPolicy
    rule_set: RuleSet
    standings: Standings
    paces: Paces
    keys: Mapping[str, RowKey]  # by public grant id
    grants: Mapping[RowKey, LockedGrant]
    counted_sends: dict[tuple[RowKey, Priority], list[datetime]]
    template_texts: TemplateTexts
    preferences: PreferenceSnapshot
    now: datetime
    enqueued: list[Message]
    events: list[Event]
    refused: list[Counted]  # for rollups
    recorder: CaseRecorder
    daily_limits: DailyLimits
    plans: Plans
    is_trial: bool
    composed: dict[tuple[object, ...], ComposedText]  # by text, language, link mode and standing

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
        return cls(
            runtime=runtime,
            policy=policy,
            rule_set=rule_set,
            standings=standings,
            paces=paces,
            keys=keys,
            grants=locked,
            counted_sends=counted_sends,
            template_texts=_load_template_texts(runtime, transaction, submissions, keys),
            preferences=PreferenceSnapshot.load(
                transaction, locked, now, counted=counted, asked=asked
            ),
            now=now,
            enqueued=[],
            events=[],
            refused=[],
            recorder=CaseRecorder(),
            daily_limits=DailyLimits.load(
                transaction,
                standings.merchants,
                [(merchant_id, each.request.purpose) for merchant_id, each in submissions],
                now.astimezone(policy.pacing.timezone).date(),
            ),
            plans=Plans.load(transaction, standings, requests, now),
            is_trial=is_trial,
            composed={},
        )

    def insert(self, transaction: Transaction) -> None:
        """Insert what was accepted, the evidence of each decision, and what rollups count."""
        outbox.enqueue(transaction, self.enqueued)
        self.runtime.record(transaction, *self.events)
        count(self.runtime, transaction, self.counted)

    def decide(self, merchant_id: str, verified: VerifiedRequest) -> SubmissionResult:
        """Decide one message, and collect what is to be written for it."""
        key, claims = None, verified.claims
        if isinstance(claims, Claims) and claims.merchant_id == merchant_id:
            key = self.keys.get(claims.jti)
        request = verified.request
        standing = self.standings.of(merchant_id, request.purpose, request.sender_id)
        sender, priority = standing.sender, standing.priority
        text = self._prepare(merchant_id, standing, request, key)
        template = text.use.template if text.use else None
        pacing = self.paces.of(request, standing, template)
        case = self._case(merchant_id, standing, verified, key, text, pacing)
        decision = decide(case)
        if isinstance(decision, Refused) or key is None or sender is None:
            return self._refuse(case, standing, decision, key if key in self.grants else None)
        if case.limits.shadow and not self.is_trial:
            _count_shadow(case.limits.shadow, case)
        message = self._message(case, request, key, priority, sender, text)
        if pacing is not None:
            message = self._paced(pacing, message, case)
        self.enqueued.append(message)
        # before the message counts, because the case has the lists that it is counted in
        self.events.append(self._event(case, standing, decision, key, message.key.id))
        self.template_texts.count(key, text)
        insort(self.counted_sends[key, priority], decision.send_at)
        self.preferences.count(key, priority, decision.send_at)
        self._count_of_merchant(case, decision)
        left = case.composed.characters_left
        return SubmissionResult(decision, message.key, message.segments, left)

    def _count_of_merchant(self, case: Case, decision: Decision) -> None:
        """Count an accepted message against the limits and in the plans of its merchant."""
        self.daily_limits.count(case.merchant_id, case.purpose_class)
        self.plans.count(case, decision)

    def _refuse(
        self, case: Case, standing: Standing, decision: Decision, grant: RowKey | None
    ) -> SubmissionResult:
        """Return a refusal, with the key of the event that it is recorded as."""
        self.plans.count(case, decision)
        event = self._event(case, standing, decision, grant)
        key = self.runtime.new_key(event.partition)
        self.events.append(replace(event, id=key.id))
        sender, template = standing.sender, case.template.template if case.template else None
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
        self.paces.take(pacing)
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

    def _case(
        self,
        merchant_id: str,
        standing: Standing,
        verified: VerifiedRequest,
        key: RowKey | None,
        text: PreparedText,
        pacing: Pacing | None,
    ) -> Case:
        request = verified.request
        locked = self.grants.get(key) if key else None
        not_before = request.send_at or self.now
        limits = limits_of(
            self.rule_set,
            request.purpose,
            locked.grant if locked else None,
            self.now,
            is_demonstration=standing.is_demonstration,
        )
        return Case(
            merchant_id=merchant_id,
            is_merchant_active=standing.is_active,
            classes=self.daily_limits.left_of(merchant_id, standing.classes),
            named_purposes=standing.named_purposes,
            is_demonstration=standing.is_demonstration,
            has_sender=standing.sender is not None,
            token=verified.claims,
            grant=locked.grant if locked else None,
            purpose=request.purpose,
            text=text.text,
            template=text.use,
            event=text.event,
            link_domains=standing.link_domains,
            composed=self._compose(text.text, request.purpose, locked, standing, limits.link_mode),
            max_segments=self.policy.max_segments,
            counted_sends=self.counted_sends[key, standing.priority] if key else (),
            limits=limits,
            transactional_cap=self.policy.transactional_frequency_cap,
            not_before=not_before,
            valid_until=max(not_before, self.now) + min(request.validity, standing.max_validity),
            now=self.now,
            preferences=self.preferences.preferences_of(key),
            marketing_sends=self.preferences.marketing_sends_of(key),
            is_held_back=pacing is not None and not self.paces.has_place(pacing),
            is_dropped=pacing is not None and pacing.status is PacingStatus.DROPPED,
            plans=self.plans.of(
                merchant_id,
                request.purpose,
                request.template.id if request.template else None,
                standing.sender.id if standing.sender else None,
            ),
        )

    def _compose(
        self,
        text: str,
        purpose: str,
        locked: LockedGrant | None,
        standing: Standing,
        links: LinkMode,
    ) -> ComposedText:
        """Return the text as it will be sent, with a placeholder for its link.

        The texts of a campaign are mostly the same: each is composed once.
        """
        language = locked.grant.language if locked else "zh-CN"
        key = text, language, links, id(standing)  # which is one object for merchant and purpose
        found = self.composed.get(key)
        if found is None:
            sender = standing.sender
            class_ = class_of(purpose)
            found = self.composed[key] = compose(
                with_signature_and_opt_out(
                    text,
                    signature=sender.signature if sender else "",
                    language=language,
                    link=self.runtime.service.opt_out_link(class_, PLACEHOLDER_LINK_ID, links),
                    is_limited=standing.priority is Priority.MARKETING,
                )
            )
        return found

    def _message(
        self,
        case: Case,
        request: MessageRequest,
        key: RowKey,
        priority: Priority,
        sender: Sender,
        text: PreparedText,
    ) -> Message:
        claims, send_at = case.claims, case.send_at
        template = text.use.template if text.use else None
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
            text=text.text,
            template_id=template.id if template else None,
            template_version=template.version if template else None,
            value_hashes=self._value_hashes(template, text),
            event_hash=text.event_hash,
        )

    def _value_hashes(self, template: Template | None, text: PreparedText) -> bytes | None:
        """Return what the repeat counter counts; None if nothing of the text is counted."""
        if template is None or text.filled is None:
            return None
        return self.runtime.value_hashes(template, text.filled) or None

    def _event(
        self,
        case: Case,
        standing: Standing,
        decision: Decision,
        grant: RowKey | None,
        message_id: int | None = None,
    ) -> Event:
        """Return an event: in the recipient's partition if it is known, else the merchant's."""
        kind, reason = decision_kind(decision)
        return Event(
            partition=grant.partition if grant else standing.partition,
            at=self.now,
            kind=kind,
            merchant_id=case.merchant_id,
            grant_id=grant.id if grant else None,
            message_id=message_id,
            reason=reason,
            rules=self._rules_of(decision),
            inputs=self.recorder.encode(case, decision, standing),
        )

    def _rules_of(self, decision: Decision) -> str:
        """Return the version of the rules, with the ids of those that refused."""
        version = self.rule_set.version
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
