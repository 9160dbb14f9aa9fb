"""Decides whether a message may be sent, and when: an ordered table of checks.

The checks run in the order of docs/refusals.md; the first refusal is the decision. Pure: no clock,
key or row is read here. Each message is decided twice: when it is accepted, with its token, and
when it is dispatched, with grant, sender, classes and template as they are then (promises 2, 14).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from msgspec.structs import replace

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.consent.scope import SMS
from consent_tokens.policies import RateLimit
from consent_tokens.relay.case import Case, TemplateUse, unplanned_at
from consent_tokens.relay.composition import is_displayable
from consent_tokens.relay.decision import (
    Accepted,
    Decision,
    Deferred,
    FieldFault,
    Reason,
    Refused,
    needs_own_admission,
)
from consent_tokens.relay.frequency_cap import fits
from consent_tokens.relay.message import INVITATION_PURPOSE
from consent_tokens.relay.plan import Plan
from consent_tokens.relay.templates.fault_texts import FAULT_TEXTS
from consent_tokens.relay.templates.template import Template, TemplateStatus
from consent_tokens.relay.text_form import TextFault, check_form
from consent_tokens.rules.limits import Limits
from consent_tokens.rules.rule import Rule

Check: TypeAlias = Callable[[Case], Refused | None]

# of any other class a text needs a template
FREE_TEXT_CLASSES: Final = frozenset({PurposeClass.MARKETING, PurposeClass.FINANCE})
# a template that is held keeps its texts back; what is wrong with it otherwise is a fault
USABLE_TEMPLATES: Final = frozenset({TemplateStatus.APPROVED, TemplateStatus.HELD})


def check_merchant(case: Case) -> Refused | None:
    """Refuse a suspended merchant, before it learns anything about its token."""
    return None if case.is_merchant_active else Refused(Reason.MERCHANT_SUSPENDED)


def check_token(case: Case) -> Refused | None:
    """Refuse a token that is malformed or not signed by this service."""
    return Refused(case.token) if isinstance(case.token, Reason) else None


def check_expiry(case: Case) -> Refused | None:
    """Refuse if token or grant will have ended at `send_at`."""
    if case.ends_at is not None and case.send_at >= case.ends_at:
        return Refused(Reason.TOKEN_EXPIRED)
    return None


def check_merchant_binding(case: Case) -> Refused | None:
    """Refuse a token or grant of another merchant (promise 4)."""
    for party in (case.claims, case.grant):
        if party is not None and party.merchant_id != case.merchant_id:
            return Refused(Reason.TOKEN_NOT_YOURS)
    return None


def check_grant(case: Case) -> Refused | None:
    """Refuse without a live grant, or in a quiet period (promise 3). A missing one was revoked."""
    if case.grant is None or case.grant.is_ended:
        return Refused(Reason.CONSENT_REVOKED)
    if case.grant.status is GrantStatus.PAUSED:
        return Refused(Reason.CONSENT_PAUSED)
    if case.is_limited and case.preferences.is_quiet_at(case.send_at):
        return Refused(Reason.CONSENT_PAUSED)
    return None


def check_purpose_and_channel(case: Case) -> Refused | None:
    """Refuse a purpose or channel that token or grant does not cover (promise 2)."""
    if case.grant and case.purpose not in case.grant.scope.purposes:
        return Refused(Reason.PURPOSE_NOT_GRANTED)
    if case.claims and case.purpose not in case.claims.scope.purposes:
        return Refused(Reason.PURPOSE_NOT_GRANTED)
    if case.claims and SMS not in case.claims.channels:
        return Refused(Reason.CHANNEL_NOT_GRANTED)
    return None


def check_sender(case: Case) -> Refused | None:
    """Refuse a merchant without a sender that is admitted for the class of the message."""
    return None if case.has_sender else Refused(Reason.SENDER_NOT_ADMITTED)


def check_class(case: Case) -> Refused | None:
    """Refuse a class that the merchant is not admitted for, or may not use now (promise 14).

    For a purpose that needs an admission of its own, the merchant must be admitted by name.
    """
    is_named = case.is_demonstration or case.purpose in case.named_purposes
    if case.purpose_class in case.classes and (is_named or not needs_own_admission(case.purpose)):
        return None
    return Refused(Reason.CLASS_NOT_ADMITTED)


def check_template(case: Case) -> Refused | None:
    """Refuse a transactional text without a template, and a template that does not allow it."""
    if case.template is None:
        is_free = case.is_demonstration or case.purpose_class in FREE_TEXT_CLASSES
        return None if is_free else Refused(Reason.TEMPLATE_REQUIRED)
    fault = _template_fault(case, case.template)
    return Refused(Reason.TEMPLATE_REJECTED, field_fault=fault) if fault else None


def check_template_rules(case: Case) -> Refused | None:
    """Refuse a text without a template where a rule wants one; invitations have none."""
    if not case.limits.templates or case.template is not None or case.is_demonstration:
        return None
    return Refused(Reason.TEMPLATE_REQUIRED, rules=case.limits.templates)


def _template_fault(case: Case, use: TemplateUse) -> FieldFault | None:
    template = use.template
    if template is None or template.merchant_id != case.merchant_id:
        return FieldFault("template", "unknown_template")
    if template.purpose != case.purpose:
        difference = f"The template is for {template.purpose}, the message for {case.purpose}."
        return FieldFault("purpose", "not_of_the_template", difference)
    if template.status not in USABLE_TEMPLATES:
        return FieldFault("template", template.status.value)
    if use.fault is not None:
        name, why = use.fault.variable, use.fault.why
        return FieldFault(f"variables.{name}", why, f"{name}: {FAULT_TEXTS[why]}")
    return None


def check_text(case: Case) -> Refused | None:
    """Refuse a text with invisible characters, of a misleading form, or with too many segments.

    The form is checked at acceptance: what it is checked against may change afterwards.
    """
    if case.text_fault is not None:
        return Refused(Reason.CONTENT_REJECTED, text_fault=case.text_fault)
    if not is_displayable(case.text):
        return Refused(Reason.CONTENT_REJECTED, text_fault=TextFault.INVISIBLE)
    if case.token is not None and (fault := check_form(case.text, case.link_domains)):
        return Refused(Reason.CONTENT_REJECTED, text_fault=fault)
    if len(case.composed.segments) > case.max_segments:
        return Refused(Reason.TEXT_TOO_LONG)
    return None


def check_event(case: Case) -> Refused | None:
    """Refuse a text of a template without its event, or beyond what the event may have.

    Checked at acceptance; from then on the message itself counts for the event.
    """
    template = case.template.template if case.template else None
    if template is None or template.is_essential or case.token is None:
        return None
    if case.event is None:
        return Refused(Reason.EVENT_REQUIRED) if _needs_event(case, template) else None
    if template.event_type not in {None, case.event.type}:
        wanted = f"The template is for events of type {template.event_type}."
        fault = FieldFault("event.type", "not_of_the_template", wanted)
        return Refused(Reason.EVENT_REQUIRED, field_fault=fault)
    if case.event.texts >= template.texts_per_event:
        return Refused(Reason.EVENT_USED)
    return None


def _needs_event(case: Case, template: Template) -> bool:
    if case.is_demonstration:
        return False
    return template.event_type is not None or case.purpose_class not in FREE_TEXT_CLASSES


def check_rules(case: Case) -> Refused | None:
    """Refuse what a rule forbids, though the consumer agreed to it; names the rules.

    Rules also move `send_at` to a time at which they let texts leave.
    """
    limits = case.limits
    if not limits.binds:
        return None
    if limits.forbidding:
        return Refused(Reason.RULE_FORBIDS, rules=limits.forbidding)
    send_at, sends, of_all = case.send_at, case.counted_sends, case.marketing_sends
    if (sends and _lacks_room(limits.caps, sends, send_at)) or (
        of_all and _lacks_room(limits.recipient_caps, of_all, send_at)
    ):
        rules = (*case.moving_rules, *_used_up(limits, sends, of_all, send_at))
        return Refused(Reason.RULE_FORBIDS, case.next_allowed_at, rules=rules)
    if limits.plans and (unplanned := case.unplanned):
        rules = (*case.moving_rules, *unplanned)
        return Refused(Reason.RULE_FORBIDS, case.next_planned_at, rules=rules)
    if send_at >= case.valid_until and case.agreed_at < case.valid_until:
        return Refused(Reason.RULE_FORBIDS, send_at, rules=case.moving_rules)
    return None


def stopping_rules(
    limits: Limits,
    counted_sends: Sequence[datetime],
    marketing_sends: Sequence[datetime],
    at: datetime,
    plans: Sequence[Plan] = (),
) -> tuple[Rule, ...]:
    """Return the rules that would not let a message leave at a time, each looked at by itself."""
    used_up = _used_up(limits, counted_sends, marketing_sends, at)
    unplanned = unplanned_at(limits, plans, at)
    return (*limits.forbidding, *limits.closed_at(at), *used_up, *unplanned)


def _used_up(
    limits: Limits,
    counted_sends: Sequence[datetime],
    marketing_sends: Sequence[datetime],
    at: datetime,
) -> tuple[Rule, ...]:
    """Return the rules whose cap has no room for a message at a time."""
    own = [rule for rule, cap in limits.caps if not fits(cap, counted_sends, at)]
    of_all = [rule for rule, cap in limits.recipient_caps if not fits(cap, marketing_sends, at)]
    return (*own, *of_all)


def _lacks_room(
    caps: Sequence[tuple[Rule, RateLimit]], sends: Sequence[datetime], at: datetime
) -> bool:
    """Whether a cap has no room for a message at a time; quicker than `_used_up`."""
    count = len(sends)
    for _, cap in caps:  # noqa: SIM110 - twice as quick as any()
        if count >= cap.limit and not fits(cap, sends, at):
            return True
    return False


def check_frequency_caps(case: Case) -> Refused | None:
    """Refuse beyond a frequency cap or a limit of the recipient, as of `send_at` (promise 6)."""
    send_at = case.send_at
    for cap in case.frequency_caps:
        if not fits(cap, case.counted_sends, send_at):
            return Refused(Reason.CAP_REACHED, case.next_allowed_at)
    for limit in case.recipient_limits:
        if not fits(limit, case.marketing_sends, send_at):
            return Refused(Reason.CAP_REACHED, case.next_allowed_at)
    return None


def check_send_window(case: Case) -> Refused | None:
    """Refuse if the send window does not open within the validity of the message."""
    if case.send_at >= case.valid_until:
        return Refused(Reason.OUTSIDE_HOURS, case.send_at)
    return None


def check_measures(case: Case) -> Refused | None:
    """Refuse while the template is held for review, or what its pacing has dropped.

    The refusal costs nothing of the cap.
    """
    template = case.template.template if case.template else None
    is_held = template is not None and template.status is TemplateStatus.HELD
    return Refused(Reason.HELD_BACK) if is_held or case.is_dropped else None


CHECKS: Final[tuple[Check, ...]] = (
    check_merchant,
    check_token,
    check_expiry,
    check_merchant_binding,
    check_grant,
    check_purpose_and_channel,
    check_sender,
    check_class,
    check_template,
    check_template_rules,
    check_text,
    check_event,
    check_rules,
    check_frequency_caps,
    check_send_window,
    check_measures,
)


# an invitation leaves under a grant for other purposes, which it asks to add to (promise 12)
INVITATION_CHECKS: Final = tuple(
    each for each in CHECKS if each not in {check_purpose_and_channel, check_template_rules}
)


def decide(case: Case) -> Decision:
    """Return the decision on a message."""
    return decide_by(case, CHECKS)


def checks_of(case: Case) -> Sequence[Check]:
    """Return the checks of a message: an invitation has a purpose of its own at dispatch."""
    is_invitation = case.token is None and case.purpose == INVITATION_PURPOSE
    return INVITATION_CHECKS if is_invitation else CHECKS


def decide_again(case: Case) -> Decision:
    """Return the decision on a case that was recorded (`relay.case_record`)."""
    return decide_by(case, checks_of(case))


def decide_invitation(case: Case) -> Decision:
    """Return the decision on an invitation: all that binds marketing binds it, but the purpose."""
    return decide_by(case, INVITATION_CHECKS)


def _with_rules(case: Case, check: Check, refusal: Refused) -> Refused:
    """Return a refusal with the rules that led to it: without them it would be sent earlier."""
    if refusal.rules or not case.limits.binds or check(case.without_rules) is not None:
        return refusal
    return replace(refusal, rules=case.moving_rules)


def decide_by(case: Case, checks: Sequence[Check]) -> Decision:
    """Return the decision by these checks, in their order."""
    for check in checks:
        if refusal := check(case):
            return _with_rules(case, check, refusal)
    send_at = case.send_at
    if case.is_held_back:
        return Deferred(send_at, Reason.HELD_BACK)
    return Accepted(send_at) if send_at <= case.now else Deferred(send_at)
