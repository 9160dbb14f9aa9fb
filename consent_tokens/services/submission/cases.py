"""The cases of the messages of one transaction: what the relay decides on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from msgspec import Struct

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.preferences import NO_PREFERENCES
from consent_tokens.crypto.message_link_ids import PLACEHOLDER_LINK_ID
from consent_tokens.policies import LinkMode, RelayPolicy, ServiceIdentity
from consent_tokens.relay.alike import AlikeCases, terms_of, with_filled_text
from consent_tokens.relay.case import Case, limits_of
from consent_tokens.relay.checks import decide
from consent_tokens.relay.composition import ComposedText, compose, with_signature_and_opt_out
from consent_tokens.relay.decision import Decision, class_of
from consent_tokens.relay.message import Priority
from consent_tokens.relay.pacing import Pacing, PacingStatus
from consent_tokens.relay.templates.template import Template
from consent_tokens.row_key import RowKey
from consent_tokens.rules.pack import RuleSet
from consent_tokens.services.preferences.snapshot import PreferenceSnapshot
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.submission.daily_limits import DailyLimits
from consent_tokens.services.submission.message_request import VerifiedRequest
from consent_tokens.services.submission.paces import Paces
from consent_tokens.services.submission.plans import Plans
from consent_tokens.services.submission.standing import Standing
from consent_tokens.services.submission.template_texts import PreparedText
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import LockedGrant
from consent_tokens.tokens.claims import Claims

_Likeness: TypeAlias = tuple[object, ...]


class Submission(Struct, frozen=True):
    """A message request, with what is known of it before it is decided."""

    merchant_id: str
    verified: VerifiedRequest
    key: RowKey | None  # of the grant, if it is this merchant's
    standing: Standing
    text: PreparedText
    pacing: Pacing | None

    @property
    def template(self) -> Template | None:
        """Return the template that its text was made of, if there is one."""
        return self.text.use.template if self.text.use else None


class SubmissionCase(Struct, frozen=True):
    """The case of a submission, and those that are like it."""

    case: Case
    alike: AlikeCases | None

    def decide(self) -> Decision:
        """Return the relay's decision."""
        return decide(self.case) if self.alike is None else self.alike.decide(self.case)


@dataclass(slots=True)
class Cases:
    """What the cases of one transaction are made of."""

    service: ServiceIdentity
    policy: RelayPolicy
    rule_set: RuleSet
    grants: Mapping[RowKey, LockedGrant]
    counted_sends: dict[tuple[RowKey, Priority], list[datetime]]
    preferences: PreferenceSnapshot
    paces: Paces
    daily_limits: DailyLimits
    plans: Plans
    now: datetime
    _alike: dict[_Likeness, AlikeCases] = field(default_factory=dict)
    _composed: dict[tuple[object, ...], ComposedText] = field(default_factory=dict)

    def of(self, each: Submission) -> SubmissionCase:
        """Return the case of a submission, as the messages before it count."""
        key, claims = each.key, each.verified.claims
        locked = self.grants.get(key) if key else None
        if key is None or locked is None or not isinstance(claims, Claims):
            return SubmissionCase(self._new(each, None), None)
        grant = locked.grant
        if self.preferences.preferences_of(key) is not NO_PREFERENCES:
            return SubmissionCase(self._new(each, grant), None)
        likeness = self._likeness(each, claims, grant)
        alike = self._alike.get(likeness)
        if alike is None:
            alike = self._alike[likeness] = AlikeCases.of(self._new(each, grant))
            return SubmissionCase(alike.first, alike)
        is_held_back, is_dropped = self._pacing_of(each)
        case = alike.case_of(
            claims,
            grant,
            counted_sends=self.counted_sends[key, each.standing.priority],
            marketing_sends=self.preferences.marketing_sends_of(key),
            is_held_back=is_held_back,
            is_dropped=is_dropped,
            plans=self.plans.of(each.merchant_id, each.verified.request, each.standing.sender),
        )
        if (use := each.text.use) is not None:
            composed = self._compose(each, grant, case.limits.link_mode)
            case = with_filled_text(case, each.text.text, composed, use, each.text.event)
        return SubmissionCase(case, alike)

    def save(self, runtime: Runtime, transaction: Transaction) -> None:
        """Save what was counted of accepted messages, but the messages themselves."""
        self.paces.save(transaction)
        self.daily_limits.save(transaction)
        self.plans.save(runtime, transaction, self.now)

    def _likeness(self, each: Submission, claims: Claims, grant: Grant) -> _Likeness:
        """Return what is the same of submissions whose cases are alike."""
        request = each.verified.request
        return (
            id(each.standing),  # one object for merchant, purpose and sender: see Standings
            self.daily_limits.left_of(each.merchant_id, each.standing.classes),
            request.text if each.text.use is None else id(each.template),
            request.send_at,
            request.validity,
            *terms_of(claims, grant),
        )

    def _new(self, each: Submission, grant: Grant | None) -> Case:
        request, standing, key = each.verified.request, each.standing, each.key
        not_before = request.send_at or self.now
        limits = limits_of(
            self.rule_set,
            request.purpose,
            grant,
            self.now,
            is_demonstration=standing.is_demonstration,
        )
        is_held_back, is_dropped = self._pacing_of(each)
        return Case(
            merchant_id=each.merchant_id,
            is_merchant_active=standing.is_active,
            classes=self.daily_limits.left_of(each.merchant_id, standing.classes),
            named_purposes=standing.named_purposes,
            is_demonstration=standing.is_demonstration,
            has_sender=standing.sender is not None,
            token=each.verified.claims,
            grant=grant,
            purpose=request.purpose,
            text=each.text.text,
            template=each.text.use,
            event=each.text.event,
            link_domains=standing.link_domains,
            composed=self._compose(each, grant, limits.link_mode),
            max_segments=self.policy.max_segments,
            counted_sends=self.counted_sends[key, standing.priority] if key else (),
            limits=limits,
            transactional_cap=self.policy.transactional_frequency_cap,
            not_before=not_before,
            valid_until=max(not_before, self.now) + min(request.validity, standing.max_validity),
            now=self.now,
            preferences=self.preferences.preferences_of(key),
            marketing_sends=self.preferences.marketing_sends_of(key),
            is_held_back=is_held_back,
            is_dropped=is_dropped,
            plans=self.plans.of(each.merchant_id, request, standing.sender),
        )

    def _pacing_of(self, each: Submission) -> tuple[bool, bool]:
        """Return whether it is held back, and whether it is dropped."""
        pacing = each.pacing
        if pacing is None:
            return False, False
        return not self.paces.has_place(pacing), pacing.status is PacingStatus.DROPPED

    def _compose(self, each: Submission, grant: Grant | None, links: LinkMode) -> ComposedText:
        """Return the text as it will be sent, with a placeholder for its link.

        The texts of a campaign are mostly the same: each is composed once.
        """
        standing, purpose = each.standing, each.verified.request.purpose
        language = grant.language if grant else "zh-CN"
        key = each.text.text, language, links, id(standing)
        found = self._composed.get(key)
        if found is None:
            found = self._composed[key] = compose(
                with_signature_and_opt_out(
                    each.text.text,
                    signature=standing.sender.signature if standing.sender else "",
                    language=language,
                    link=self.service.opt_out_link(class_of(purpose), PLACEHOLDER_LINK_ID, links),
                    is_limited=standing.priority is Priority.MARKETING,
                )
            )
        return found
