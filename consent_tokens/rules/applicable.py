"""The rules that bind one purpose, for one recipient, on one day, and what of it they allow.

    packs of the recipient's regions -> rules of the purpose -> enforced on that day -> values

Where several rules limit the same, all of them bind: the strictest decides.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.consent.scope import parse_time_of_day
from consent_tokens.policies import LinkMode, RateLimit, least_of
from consent_tokens.rules.pack import Pack, RuleSet
from consent_tokens.rules.rule import Defaults, Hours, Rule, RuleMode

ENFORCED: Final = frozenset({RuleMode.ENFORCED})
# after its decision a message leaves within so many days: as far ahead as it may be submitted, and
# its validity
MAX_AHEAD: Final = timedelta(days=37)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that bind."""

    rules: tuple[Rule, ...]

    @property
    def forbidding(self) -> tuple[Rule, ...]:
        """Return those that forbid altogether."""
        return tuple(rule for rule in self.rules if rule.forbidden)

    @property
    def caps(self) -> tuple[tuple[Rule, RateLimit], ...]:
        """Return the caps under one consent."""
        return tuple((rule, rule.cap.rate_limit) for rule in self.rules if rule.cap)

    @property
    def recipient_caps(self) -> tuple[tuple[Rule, RateLimit], ...]:
        """Return the caps on the texts of all merchants to one person."""
        return tuple(
            (rule, rule.recipient_cap.rate_limit) for rule in self.rules if rule.recipient_cap
        )

    @property
    def plans(self) -> tuple[Rule, ...]:
        """Return those by which texts leave within plans, also those of a season that is near."""
        return tuple(rule for rule in self.rules if rule.plan)

    @property
    def link_mode(self) -> LinkMode:
        """Return the most link that may end a text."""
        return least_of(rule.links for rule in self.rules if rule.links)

    @property
    def hours(self) -> tuple[tuple[Rule, Hours], ...]:
        """Return the hours, in the recipient's time."""
        return tuple((rule, rule.hours) for rule in self.rules if rule.hours)

    @property
    def expiries(self) -> tuple[tuple[Rule, timedelta], ...]:
        """Return how long a consent may last."""
        return tuple(
            (rule, timedelta(days=rule.expires_in_days))
            for rule in self.rules
            if rule.expires_in_days
        )

    @property
    def defaults(self) -> Defaults | None:
        """Return what is asked for where a request does not say: of several, the least of each."""
        found = [rule.defaults for rule in self.rules if rule.defaults]
        if not found:
            return None
        rarest = min(found, key=lambda each: each.max_messages / each.per_days)
        opens = max((each.hours.opens for each in found), key=parse_time_of_day)
        closes = min((each.hours.closes for each in found), key=parse_time_of_day)
        return Defaults(
            max_messages=rarest.max_messages,
            per_days=rarest.per_days,
            hours=Hours(opens, closes),
            expires_in_days=min(each.expires_in_days for each in found),
        )


def applicable(
    rule_set: RuleSet,
    purposes: Collection[Purpose],
    regions: frozenset[str],
    day: date,
    *,
    is_demonstration: bool = False,
) -> Rules:
    """Return the enforced rules that bind any of `purposes` on a day (UTC).

    `regions` (ISO 3166-1) are those that the recipient's number may be of; all of them bind.
    """
    packs = rule_set.packs_for(regions, is_demonstration=is_demonstration)
    bound = [
        rule
        for rule in _in_modes(packs, day, ENFORCED)
        if any(rule.binds(each, each.purpose_class, regions) for each in purposes)
    ]
    return Rules(tuple(bound))


def applicable_to(
    packs: Sequence[Pack],
    purpose: str,
    purpose_class: PurposeClass,
    regions: frozenset[str],
    day: date,
    *,
    modes: frozenset[RuleMode] = ENFORCED,
) -> Rules:
    """Return the rules in these modes that bind one purpose, also one outside the catalogue."""
    found = _in_modes(packs, day, modes)
    return Rules(tuple(rule for rule in found if rule.binds(purpose, purpose_class, regions)))


def _in_modes(packs: Sequence[Pack], day: date, modes: frozenset[RuleMode]) -> list[Rule]:
    """Return rules in these modes on a day (UTC) in their season.

    Those about plans are looked at by the day on which a message leaves (`relay.checks`).
    """
    return [
        rule
        for pack in packs
        for rule in pack.rules
        if rule.mode_on(day) in modes and _is_near(rule, day)
    ]


def _is_near(rule: Rule, day: date) -> bool:
    return rule.is_in_season_between(day, day + MAX_AHEAD if rule.plan else day)
