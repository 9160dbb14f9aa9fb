"""Explain a decision step by step: what each check compared, and where that is written.

The steps are those of `relay.checks`, in its order. Values are codes, numbers and times (UTC), no
text of a message.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from msgspec import Struct

from consent_tokens.consent.scope import SendWindow, format_time_of_day
from consent_tokens.policies import RateLimit
from consent_tokens.relay import checks
from consent_tokens.relay.case import Case
from consent_tokens.relay.checks import Check, check_rules
from consent_tokens.relay.decision import Reason, Refused, needs_own_admission
from consent_tokens.rules.rule import Rule

Compared: TypeAlias = Mapping[str, str]
NONE: Final = "none"


class Outcome(StrEnum):
    """What came of a step."""

    PASSED = "passed"
    REFUSED = "refused"
    NOT_REACHED = "not_reached"  # an earlier check refused


class Step(Struct, frozen=True):
    """One check of a decision.

    `source` says where what it enforces is written. `rules` are the rules of the packs that it
    compared with; each has a source of its own.
    """

    check: str
    outcome: Outcome
    compared: Compared
    source: str
    reason: Reason | None = None  # of a refusal
    rules: tuple[Rule, ...] = ()


def explain(case: Case, order: Sequence[Check]) -> tuple[Step, ...]:
    """Return the steps of a decision by these checks, those after a refusal too."""
    steps: list[Step] = []
    refusal: Refused | None = None
    for check in order:
        name, source, compare = EXPLAINED[check]
        outcome = Outcome.NOT_REACHED
        if refusal is None:
            refusal = check(case)
            outcome = Outcome.REFUSED if refusal else Outcome.PASSED
        is_refused = refusal is not None and outcome is Outcome.REFUSED
        steps.append(
            Step(
                name,
                outcome,
                compare(case) if outcome is not Outcome.NOT_REACHED else {},
                source,
                refusal.reason if refusal and is_refused else None,
                _compared_rules(check, case),
            )
        )
    return tuple(steps)


def _compared_rules(check: Check, case: Case) -> tuple[Rule, ...]:
    limits = case.limits
    if check is checks.check_template_rules:
        return limits.templates
    if check is not check_rules or not limits.binds:
        return ()
    limiting = [*limits.forbidding, *limits.days]
    limiting += limits.plans
    limiting += [rule for rule, _ in (*limits.caps, *limits.recipient_caps, *limits.windows)]
    return tuple({rule.id: rule for rule in limiting}.values())


def _merchant(case: Case) -> Compared:
    return {"merchant": "active" if case.is_merchant_active else "suspended"}


def _token(case: Case) -> Compared:
    if isinstance(case.token, Reason):
        return {"token": case.token.value}
    return {"token": "valid" if case.claims else "was verified at acceptance"}


def _expiry(case: Case) -> Compared:
    return {
        "send_at": _at(case.send_at),
        "token_ends_at": _at(case.claims.scope.ends_at) if case.claims else NONE,
        "consent_ends_at": _at(case.grant.scope.ends_at) if case.grant else NONE,
    }


def _binding(case: Case) -> Compared:
    parties = {"token": case.claims, "consent": case.grant}
    return {
        f"{name}_of_this_merchant": _yes(party.merchant_id == case.merchant_id)
        for name, party in parties.items()
        if party is not None
    }


def _grant(case: Case) -> Compared:
    quiet = [f"{_at(each.begins)}/{_at(each.ends)}" for each in case.preferences.quiet_periods]
    return {
        "consent": case.grant.status.value if case.grant else NONE,
        "quiet_periods": (" ".join(quiet) or NONE) if case.is_limited else "do not bind this class",
        "send_at": _at(case.send_at),
    }


def _purpose(case: Case) -> Compared:
    parties = {"consent": case.grant, "token": case.claims}
    covered = {
        f"{name}_covers_it": _yes(case.purpose in party.scope.purposes)
        for name, party in parties.items()
        if party is not None
    }
    channels = {"token_channels": " ".join(case.claims.channels)} if case.claims else {}
    return {"purpose": case.purpose, **covered, **channels}


def _sender(case: Case) -> Compared:
    return {"class": case.purpose_class.value, "admitted_sender": _yes(case.has_sender)}


def _class(case: Case) -> Compared:
    compared = {
        "class": case.purpose_class.value,
        "class_admitted": _yes(case.purpose_class in case.classes),
    }
    if needs_own_admission(case.purpose):
        is_named = case.is_demonstration or case.purpose in case.named_purposes
        compared["purpose_admitted"] = _yes(is_named)
    return compared


def _template_rules(case: Case) -> Compared:
    wanted_by = ", ".join(rule.id for rule in case.limits.templates)
    return {"has_template": _yes(case.template is not None), "wanted_by": wanted_by or NONE}


def _template(case: Case) -> Compared:
    use = case.template
    if use is None:
        is_free = case.is_demonstration or case.purpose_class in checks.FREE_TEXT_CLASSES
        return {"template": NONE, "needs_template": _yes(not is_free)}
    template = use.template
    if template is None:
        return {"template": "unknown"}
    compared = {
        "template": template.status.value,
        "of_this_merchant": _yes(template.merchant_id == case.merchant_id),
        "of_this_purpose": _yes(template.purpose == case.purpose),
    }
    return compared | ({use.fault.variable: use.fault.why} if use.fault else {})


def _text(case: Case) -> Compared:
    return {
        "form": case.text_fault.value if case.text_fault else "no fault",
        "segments": f"{len(case.composed.segments)} of at most {case.max_segments}",
    }


def _event(case: Case) -> Compared:
    template = case.template.template if case.template else None
    if template is None:
        return {"event": "is for texts of a template"}
    if case.event is None:
        return {"event": NONE}
    return {
        "event_of_the_template": _yes(template.event_type in {None, case.event.type}),
        "texts_of_the_event": f"{case.event.texts} of {template.texts_per_event}",
    }


def _rules(case: Case) -> Compared:
    limits = case.limits
    if not limits.binds:
        return {"rules": "none binds"}
    compared = {"agreed_send_at": _at(case.agreed_at), "send_at": _at(case.send_at)}
    compared |= {rule.id: "forbidden" for rule in limits.forbidding}
    compared |= {rule.id: _used(case, cap) for rule, cap in limits.caps}
    compared |= {rule.id: _used_of_all(case, cap) for rule, cap in limits.recipient_caps}
    compared |= {rule.id: _window(window) for rule, window in limits.windows}
    moving = case.moving_rules if limits.days else ()
    compared |= {rule.id: "closed" if rule in moving else "open" for rule in limits.days}
    plan = case.plan
    used = f"{plan.accepted} of {plan.messages} planned" if plan else "outside a plan"
    unplanned = case.unplanned
    compared |= {rule.id: used if rule in unplanned else "within a plan" for rule in limits.plans}
    return compared


def _caps(case: Case) -> Compared:
    compared = {f"cap_{n}": _used(case, cap) for n, cap in enumerate(case.frequency_caps, 1)}
    limits = enumerate(case.recipient_limits, 1)
    compared |= {f"recipient_limit_{n}": _used_of_all(case, limit) for n, limit in limits}
    return {"send_at": _at(case.send_at), **compared}


def _hours(case: Case) -> Compared:
    windows = " and ".join(map(_window, case.send_windows)) or "do not bind this class"
    quiet = case.preferences.quiet_hours
    hours = (
        f"{format_time_of_day(quiet.begins)}-{format_time_of_day(quiet.ends)}" if quiet else NONE
    )
    return {
        "hours": windows,
        "quiet_hours": hours,
        "ready_at": _at(max(case.now, case.not_before)),
        "send_at": _at(case.send_at),
        "valid_until": _at(case.valid_until),
    }


def _measures(case: Case) -> Compared:
    template = case.template.template if case.template else None
    pacing = "held back" if case.is_held_back else "dropped" if case.is_dropped else NONE
    return {"template": template.status.value if template else NONE, "pacing": pacing}


def _used(case: Case, cap: RateLimit) -> str:
    used = _in_window(case.counted_sends, cap, case.send_at)
    return f"{used} of {cap.limit} in {_days(cap)}"


def _used_of_all(case: Case, cap: RateLimit) -> str:
    """Return how much of a cap the texts of all merchants to the recipient have used."""
    used = _in_window(case.marketing_sends, cap, case.send_at)
    return f"{used} of {cap.limit} in {_days(cap)}"


def _in_window(sends: Sequence[datetime], cap: RateLimit, at: datetime) -> int:
    return sum(at - cap.window < each for each in sends)


def _days(cap: RateLimit) -> str:
    return f"{cap.window.days} days" if cap.window.days != 1 else "1 day"


def _window(window: SendWindow) -> str:
    hours = f"{format_time_of_day(window.opens)}-{format_time_of_day(window.closes)}"
    return f"{hours} {window.timezone_names}"


def _at(moment: datetime) -> str:
    return moment.isoformat()


def _yes(found: object) -> str:
    return "yes" if found else "no"


CONSENT: Final = "the consent of the recipient (PIPL 14, 15)"
EXPLAINED: Final[Mapping[Check, tuple[str, str, Callable[[Case], Compared]]]] = {
    checks.check_merchant: ("merchant", "admission of the merchant (docs/admission.md)", _merchant),
    checks.check_token: ("token", "RFC 7515; docs/token-format.md", _token),
    checks.check_expiry: ("expiry", f"{CONSENT}: its end; RFC 7519, 4.1.4", _expiry),
    checks.check_merchant_binding: ("binding", "docs/token-format.md: client_id", _binding),
    checks.check_grant: ("consent", f"{CONSENT}, and quiet periods", _grant),
    checks.check_purpose_and_channel: ("purpose", f"{CONSENT}: purposes, channel", _purpose),
    checks.check_sender: ("sender", "admission of senders (docs/admission.md)", _sender),
    checks.check_class: ("class", "admission of classes (docs/admission.md)", _class),
    checks.check_template: ("template", "review of templates (docs/templates.md)", _template),
    checks.check_template_rules: ("template rules", "rule packs (docs/rules.md)", _template_rules),
    checks.check_text: ("text", "form of a text (docs/refusals.md)", _text),
    checks.check_event: ("event", "events of a template (docs/templates.md)", _event),
    checks.check_rules: ("rules", "rule packs (docs/rules.md); each rule names its own", _rules),
    checks.check_frequency_caps: ("caps", f"{CONSENT}: cap, and limits over all merchants", _caps),
    checks.check_send_window: ("hours", f"{CONSENT}: hours, and quiet hours", _hours),
    checks.check_measures: ("measures", "measures on templates (docs/templates.md)", _measures),
}
