"""What rules make of the sending of one message: hours and days to leave in, and caps.

A message leaves within the smallest of its token, its grant and these limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.consent.scope import SendWindow
from consent_tokens.consent.timezones import Timezones, next_local_time, regions_of
from consent_tokens.policies import LinkMode, RateLimit
from consent_tokens.rules.applicable import Rules, applicable_to
from consent_tokens.rules.pack import Pack, RuleSet
from consent_tokens.rules.rule import Rule, RuleMode

SHADOW: Final = frozenset({RuleMode.SHADOW})
COUNTED: Final = frozenset({RuleMode.SHADOW, RuleMode.ENFORCED})
MAX_CLOSED_DAYS: Final = 400  # searched for a day on which texts may leave


@dataclass(frozen=True, slots=True)
class Limits:
    """The rules that bind a message, ready to be compared with its times.

    `forbidding` also has rules whose hours never come in all time zones of the recipient.
    """

    forbidding: tuple[Rule, ...] = ()
    caps: tuple[tuple[Rule, RateLimit], ...] = ()
    recipient_caps: tuple[tuple[Rule, RateLimit], ...] = ()  # over all merchants
    windows: tuple[tuple[Rule, SendWindow], ...] = ()
    days: tuple[Rule, ...] = ()  # those with weekdays or holidays
    templates: tuple[Rule, ...] = ()  # by which free texts are refused
    plans: tuple[Rule, ...] = ()  # by which texts leave within plans, on the days of their seasons
    link_mode: LinkMode = LinkMode.PER_MESSAGE  # the most link that may end the text
    timezones: Timezones = ()
    shadow: "Limits | None" = None  # of new rules, which refuse nothing yet
    binds: bool = field(init=False)  # whether there is anything to compare
    moves: bool = field(init=False)  # whether there are hours or days
    # of `plans` by day, as far as they were asked for: each message of a season asks
    _plans_on: dict[date, tuple[Rule, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        moves = bool(self.windows or self.days)
        found = bool(moves or self.forbidding or self.caps or self.recipient_caps or self.plans)
        object.__setattr__(self, "binds", found)
        object.__setattr__(self, "moves", moves)

    def plans_on(self, day: date) -> tuple[Rule, ...]:
        """Return the rules by which what leaves on a day (UTC) needs a plan."""
        found = self._plans_on.get(day)
        if found is None:
            found = tuple(rule for rule in self.plans if rule.is_in_season(day))
            self._plans_on[day] = found
        return found

    def next_day(self, at: datetime) -> datetime:
        """Return `at` if texts may leave on that day in all time zones, else a later day's start.

        A day that never comes within `MAX_CLOSED_DAYS` is beyond the validity of any message.
        """
        for _ in range(MAX_CLOSED_DAYS):
            closed = [
                zone for zone in self.timezones if self._is_closed(at.astimezone(zone).date())
            ]
            if not closed:
                return at
            at = next_local_time(closed[0], 0, at)
        return at

    def closed_at(self, at: datetime) -> tuple[Rule, ...]:
        """Return the rules by which no text may leave at a time."""
        by_hours = tuple(rule for rule, window in self.windows if window.next_open(at) != at)
        days = {at.astimezone(zone).date() for zone in self.timezones}
        return by_hours + tuple(
            rule for rule in self.days if any(rule.is_closed_on(day) for day in days)
        )

    def closed_between(self, at: datetime, until: datetime) -> tuple[Rule, ...]:
        """Return the rules by which none may leave at `at`, or on a day between it and `until`."""
        found = {rule.id: rule for rule in self.closed_at(at)}
        for passed in range(1, min((until - at).days, MAX_CLOSED_DAYS) + 1):
            day = at + timedelta(days=passed)
            days = {day.astimezone(zone).date() for zone in self.timezones}
            closed = [rule for rule in self.days if any(map(rule.is_closed_on, days))]
            found |= {rule.id: rule for rule in closed}
        return tuple(found.values())

    def _is_closed(self, day: date) -> bool:
        return any(rule.is_closed_on(day) for rule in self.days)


NO_LIMITS: Final = Limits()


@lru_cache(maxsize=64)
def counts_recipients(rule_set: RuleSet, day: date) -> bool:
    """Whether a rule counts the texts of all merchants to one person on a day (UTC)."""
    return any(
        rule.recipient_cap and rule.is_in_season(day) and rule.mode_on(day) in COUNTED
        for pack in rule_set.packs.values()
        for rule in pack.rules
    )


def rules_over_all(rule_set: RuleSet, zones: Timezones, day: date) -> tuple[Rule, ...]:
    """Return the enforced rules that limit the texts of all merchants to a person, in any season.

    `zones` are the time zones that the person's number may be in.
    """
    regions = regions_of(zones)
    return tuple(
        rule
        for pack in rule_set.packs_for(regions, is_demonstration=False)
        for rule in pack.rules
        if rule.recipient_cap
        and rule.mode_on(day) is RuleMode.ENFORCED
        and (not rule.regions or rule.regions & regions)
    )


def limits_for(
    rule_set: RuleSet,
    purpose: str,
    purpose_class: PurposeClass,
    window: SendWindow,
    day: date,
    *,
    is_demonstration: bool,
) -> Limits:
    """Return what binds a message of a purpose, decided on a day (UTC).

    The recipient's regions are those of the time zones of `window`, the send window of the grant:
    they were found from the number, which is sealed since.
    """
    zones = window.timezones
    packs = rule_set.packs_for(regions_of(zones), is_demonstration=is_demonstration)
    rules = applicable_to(packs, purpose, purpose_class, regions_of(zones), day)
    limits = _limits_of(rules, window if purpose_class.is_limited else None, zones)
    new = limits_in_modes(packs, purpose, purpose_class, zones, day, modes=SHADOW)
    return replace(limits, shadow=new) if new.binds else limits


def limits_in_modes(
    packs: Sequence[Pack],
    purpose: str,
    purpose_class: PurposeClass,
    zones: Timezones,
    day: date,
    *,
    modes: frozenset[RuleMode],
) -> Limits:
    """Return what rules make of a message, those of other modes too, whatever was agreed."""
    regions = regions_of(zones)
    rules = applicable_to(packs, purpose, purpose_class, regions, day, modes=modes)
    return _limits_of(rules, None, zones)


def _limits_of(rules: Rules, agreed: SendWindow | None, zones: Timezones) -> Limits:
    """Return the limits; hours that the agreed ones are within limit nothing further."""
    windows: list[tuple[Rule, SendWindow]] = []
    impossible: list[Rule] = []
    for rule, hours in rules.hours:
        opens, closes = hours.minutes
        if agreed and opens <= agreed.opens and agreed.closes <= closes:
            continue
        try:
            windows.append((rule, SendWindow(opens, closes, zones[0], zones[1:])))
        except ValueError:  # never open in all of them at once
            impossible.append(rule)
    return Limits(
        forbidding=(*rules.forbidding, *impossible),
        caps=rules.caps,
        recipient_caps=rules.recipient_caps,
        windows=tuple(windows),
        days=_with_days(rules.rules),
        templates=tuple(rule for rule in rules.rules if rule.needs_template),
        plans=rules.plans,
        link_mode=rules.link_mode,
        timezones=zones,
    )


def _with_days(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if rule.weekdays or rule.holidays)
