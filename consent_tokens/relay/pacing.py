"""Pacing of new templates: how much of one may leave before consumers have reacted to it.

The texts of a new template leave in parts. When a part has left, and its recipients had some hours
of daytime to react, the next one follows; too many stops or complaints hold the rest back. Pure.
"""

from datetime import datetime, time, timedelta
from enum import StrEnum
from itertools import accumulate
from math import ceil, sqrt
from typing import Final

from msgspec import Struct

from consent_tokens.policies import PacingPolicy

CONFIDENCE: Final = 1.96  # standard deviations: 95 % between both bounds of a Wilson interval
LEFT_SHARE: Final = 0.9  # of a part: a few of its texts may be planned for days later
DROP_FACTOR: Final = 2  # times the bound of stops: clear enough without a person
MAX_DAYS: Final = 60  # of daytime that are added up


class PacingStatus(StrEnum):
    """How the pacing of a template stands."""

    OPEN = "open"  # in one of its parts
    HELD = "held"  # nothing leaves
    DROPPED = "dropped"  # the rest is refused
    PROVEN = "proven"  # it has left its parts behind, and stays so


class Verdict(StrEnum):
    """What becomes of a template whose texts leave in parts."""

    NEXT_STAGE = "next_stage"
    WAIT = "wait"
    HOLD = "hold"
    DROP = "drop"


class Reactions(Struct, frozen=True):
    """How many different people got a template, and how many of them did not want it."""

    people: int  # who got a text of it
    stops: int  # of people who stopped the merchant after it
    complainants: int

    def less(self, accepted: "Reactions") -> "Reactions":
        """Return what came after a person has looked at the figures and let it go on."""
        return Reactions(
            max(0, self.people - accepted.people),
            max(0, self.stops - accepted.stops),
            max(0, self.complainants - accepted.complainants),
        )


NO_REACTIONS: Final = Reactions(0, 0, 0)


def wilson_lower_bound(hits: int, of: int) -> float:
    """Return the lower bound of a rate, by Wilson's score interval of 95 %; 0 of nothing.

    E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if of <= 0 or hits <= 0:
        return 0.0
    rate, square = min(hits, of) / of, CONFIDENCE * CONFIDENCE
    middle = rate + square / (2 * of)
    margin = CONFIDENCE * sqrt(rate * (1 - rate) / of + square / (4 * of * of))
    return (middle - margin) / (1 + square / of)


def places(parts: tuple[int, ...], stage: int) -> int | None:
    """Return how many texts may leave until a stage is over, in all; None: as many as there are."""
    return list(accumulate(parts))[stage] if stage < len(parts) else None


def is_above_bounds(policy: PacingPolicy, seen: Reactions, usual_stop_rate: float = 0.0) -> bool:
    """Whether surely more people than the policy allows stop the merchant, or complain.

    `usual_stop_rate` is that of other merchants today: where it is higher than the policy's bound,
    it takes its place, so that a day on which everybody stops more holds nobody.
    """
    return _exceeds_stops(policy, seen, max(policy.stop_rate, usual_stop_rate)) or (
        seen.complainants >= policy.min_complainants
        and wilson_lower_bound(seen.complainants, seen.people) > policy.complaint_rate
    )


def _exceeds_stops(policy: PacingPolicy, seen: Reactions, rate: float) -> bool:
    enough = seen.stops >= policy.min_stops
    return enough and wilson_lower_bound(seen.stops, seen.people) > rate


def judge(
    policy: PacingPolicy, seen: Reactions, *, is_over: bool, usual_stop_rate: float = 0.0
) -> Verdict:
    """Return what becomes of a template; `is_over` says that people had the time to react.

    Too many stops or complaints hold it at once. Only stops drop it, if there are twice as many,
    and not before `is_over`: complaints can be filed to harm a rival, so a person decides on them.
    """
    bound = max(policy.stop_rate, usual_stop_rate)
    if not is_above_bounds(policy, seen, usual_stop_rate):
        return Verdict.NEXT_STAGE if is_over else Verdict.WAIT
    if is_over and _exceeds_stops(policy, seen, bound * DROP_FACTOR):
        return Verdict.DROP
    return Verdict.HOLD


def needed_to_have_left(places_of_stage: int) -> int:
    """Return how many texts of a stage must have left, until the time to react begins."""
    return ceil(places_of_stage * LEFT_SHARE)


def is_wait_over(policy: PacingPolicy, since: datetime | None, now: datetime) -> bool:
    """Whether people had the policy's hours of daytime to react; None: they have not begun."""
    return since is not None and daytime_between(policy, since, now) >= policy.wait


def daytime_between(policy: PacingPolicy, since: datetime, until: datetime) -> timedelta:
    """Return how much of the hours in which people react lies between two times."""
    first = since.astimezone(policy.timezone).date()
    total = timedelta(0)
    for day in (first + timedelta(days=number) for number in range(MAX_DAYS)):
        opens = datetime.combine(day, _time(policy.opens), policy.timezone)
        closes = datetime.combine(day, _time(policy.closes), policy.timezone)
        if opens >= until:
            break
        total += max(timedelta(0), min(until, closes) - max(since, opens))
    return total


def _time(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)
