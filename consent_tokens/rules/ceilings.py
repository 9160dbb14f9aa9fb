"""What a consent request may ask for: no more than the rules allow."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from consent_tokens.consent.request import AskedTerms, RequestedTerms
from consent_tokens.consent.scope import FrequencyCap, parse_time_of_day
from consent_tokens.errors import InvalidError
from consent_tokens.policies import RateLimit
from consent_tokens.rules.applicable import Rules
from consent_tokens.rules.rule import Defaults, Hours, Rule

STANDARD: Final = Defaults(  # where no rule has a default
    max_messages=4, per_days=30, hours=Hours("09:00", "21:00"), expires_in_days=180
)


@dataclass(frozen=True, slots=True)
class Excess:
    """A member of a consent request that asks for more than a rule allows."""

    field: str  # its name in the API
    rule: Rule


def with_defaults(asked: AskedTerms, rules: Rules) -> RequestedTerms:
    """Return the terms with what was not asked as the rules have it by default.

    Raises InvalidError if the hours then end before they begin.
    """
    default = rules.defaults or STANDARD
    opens, closes = asked.opens or default.hours.opens, asked.closes or default.hours.closes
    if parse_time_of_day(opens) >= parse_time_of_day(closes):
        raise InvalidError({"to": ["Must be later than `from`."]})
    return RequestedTerms(
        purposes=asked.purposes,
        frequency_cap=FrequencyCap(
            asked.max_messages or default.max_messages,
            timedelta(days=asked.per_days or default.per_days),
        ),
        opens=opens,
        closes=closes,
        valid_for=timedelta(days=asked.valid_days or default.expires_in_days),
        locale=asked.locale,
        reference=asked.reference,
        return_url=asked.return_url,
    )


def excesses(terms: RequestedTerms, rules: Rules) -> list[Excess]:
    """Return what is asked for beyond the rules; empty if nothing is.

    Cap and hours are limited only where something is asked for that they bind.
    """
    found = [Excess("purposes", rule) for rule in rules.forbidding]
    if any(purpose.is_limited for purpose in terms.purposes):
        cap = terms.frequency_cap
        found += [Excess("max_messages", rule) for rule, most in rules.caps if is_more(cap, most)]
        for rule, hours in rules.hours:
            found += [Excess(each, rule) for each in _outside(terms, hours)]
    found += [
        Excess("expires_in_days", rule) for rule, most in rules.expiries if terms.valid_for > most
    ]
    return found


def cut_terms(terms: RequestedTerms, rules: Rules) -> tuple[RequestedTerms, tuple[Rule, ...]]:
    """Return what the rules allow of terms, and the rules by which that is less.

    Never more than was asked. Without a purpose where all are forbidden. Hours that no rule leaves
    anything of stay as they are; a rule never lets a text leave in them.
    """
    cutting = tuple({each.rule.id: each.rule for each in excesses(terms, rules)}.values())
    if not cutting:
        return terms, ()
    forbidding = rules.forbidding
    purposes = frozenset(
        purpose
        for purpose in terms.purposes
        if not any(rule.is_about(purpose, purpose.purpose_class) for rule in forbidding)
    )
    opens, closes = _cut_hours(terms, rules)
    cut = replace(
        terms,
        purposes=purposes,
        frequency_cap=_cut_cap(terms.frequency_cap, rules),
        opens=opens,
        closes=closes,
        valid_for=min([terms.valid_for, *(most for _, most in rules.expiries)]),
    )
    return cut, cutting


def _cut_hours(terms: RequestedTerms, rules: Rules) -> tuple[str, str]:
    hours = [hours for _, hours in rules.hours]
    opens = max([terms.opens, *(each.opens for each in hours)], key=parse_time_of_day)
    closes = min([terms.closes, *(each.closes for each in hours)], key=parse_time_of_day)
    is_open = parse_time_of_day(opens) < parse_time_of_day(closes)
    return (opens, closes) if is_open else (terms.opens, terms.closes)


def _cut_cap(cap: FrequencyCap, rules: Rules) -> FrequencyCap:
    """Return the most that is within a cap and those of the rules, as one cap can say it."""
    by_window = sorted((most for _, most in rules.caps), key=lambda each: each.window, reverse=True)
    for most in by_window:
        if is_more(cap, most):
            cap = FrequencyCap(min(cap.limit, most.limit), max(cap.window, most.window))
    return cap


def is_more(asked: RateLimit, allowed: RateLimit) -> bool:
    """Whether a cap, used up, could never be kept within another.

    8 in 30 days are no more than 1 a day, as they fit in 8 days; 1 a day is more than 8 in 30 days.
    """
    if asked.window <= allowed.window:
        return asked.limit * (allowed.window // asked.window) > allowed.limit
    return asked.limit > allowed.limit * _rounded_up(asked.window, allowed.window)


def _rounded_up(period: timedelta, window: timedelta) -> int:
    return -(-period // window)


def _outside(terms: RequestedTerms, hours: Hours) -> list[str]:
    """Return the members that are earlier or later than the hours."""
    opens, closes = hours.minutes
    early = ["from"] if parse_time_of_day(terms.opens) < opens else []
    late = ["to"] if parse_time_of_day(terms.closes) > closes else []
    return early + late
