"""Pacing of new templates: its arithmetic, exactly and over many seeds, and its times."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_tokens.policies import PacingPolicy
from consent_tokens.relay.pacing import (
    NO_REACTIONS,
    Reactions,
    Verdict,
    daytime_between,
    is_above_bounds,
    is_wait_over,
    judge,
    needed_to_have_left,
    places,
    wilson_lower_bound,
)

POLICY = PacingPolicy()
FIRST, SECOND = POLICY.parts
COUNTS = st.integers(0, 2000)
REACTIONS = st.builds(Reactions, st.integers(0, 12_000), COUNTS, COUNTS)


def binomial(trials: int, rate: float) -> list[float]:
    """Return the probability of each number of hits, up to where it is negligible."""
    top = min(trials, int(trials * rate + 12 * math.sqrt(trials * rate) + 20))
    logs = [
        math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)
        + hits * math.log(rate) + (trials - hits) * math.log1p(-rate)
        for hits in range(top + 1)
    ]  # fmt: skip
    return [math.exp(each) for each in logs]


def held_within(rate: float, looks: Sequence[int]) -> float:
    """Return how probable it is that a template is held, if it is looked at after these texts."""
    stops, seen, held = {0: 1.0}, 0, 0.0
    for people in looks:
        after: dict[int, float] = {}
        more = binomial(people - seen, rate)
        for before, weight in stops.items():
            for new, chance in enumerate(more):
                after[before + new] = after.get(before + new, 0.0) + weight * chance
        over = {each for each in after if is_above_bounds(POLICY, Reactions(people, each, 0))}
        held += sum(after[each] for each in over)
        stops, seen = {each: weight for each, weight in after.items() if each not in over}, people
    return min(held, 1.0)  # but for rounding


def test_the_bounds_are_those_of_the_first_part() -> None:
    stops = next(n for n in range(FIRST) if wilson_lower_bound(n, FIRST) > POLICY.stop_rate)
    people = next(n for n in range(FIRST) if wilson_lower_bound(n, FIRST) > POLICY.complaint_rate)
    assert (stops, people) == (POLICY.min_stops, POLICY.min_complainants) == (29, 3)


@pytest.mark.parametrize(
    ("rate", "least", "most"),
    [(0.015, 0.0003, 0.002), (0.05, 0.999, 1.0), (0.06, 0.99999, 1.0), (0.008, 0.0, 1e-8)],
)
def test_one_in_a_thousand_honest_templates_is_held_and_999_bad_ones(
    rate: float, least: float, most: float
) -> None:
    assert least <= held_within(rate, [FIRST]) <= most
    assert least <= held_within(rate, range(500, FIRST + SECOND + 1, 500)) <= most


def test_the_same_over_many_seeds() -> None:
    def runs(rate: float, templates: int) -> float:
        seeded = random.Random(f"pacing {rate}")  # noqa: S311 - draws of a test, no secrets
        held = (is_above_bounds(POLICY, reactions(seeded, rate)) for _ in range(templates))
        return sum(held) / templates

    def reactions(seeded: random.Random, rate: float) -> Reactions:
        """Draw the stops of a first part by the gaps between them."""
        people, stops = 0, -1
        while people <= FIRST:
            people += 1 + int(math.log(1 - seeded.random()) / math.log1p(-rate))
            stops += 1
        return Reactions(FIRST, stops, 0)

    assert runs(0.015, 20_000) == pytest.approx(0.001, abs=0.0008)
    assert runs(0.05, 3_000) == pytest.approx(0.9995, abs=0.002)


def test_what_becomes_of_a_template() -> None:
    for seen, before, after in [
        (NO_REACTIONS, Verdict.WAIT, Verdict.NEXT_STAGE),
        (Reactions(1000, 28, 2), Verdict.WAIT, Verdict.NEXT_STAGE),
        (Reactions(1000, 29, 0), Verdict.HOLD, Verdict.HOLD),
        (Reactions(1000, 60, 0), Verdict.HOLD, Verdict.DROP),
        (Reactions(1000, 0, 3), Verdict.HOLD, Verdict.HOLD),
        (Reactions(1000, 0, 900), Verdict.HOLD, Verdict.HOLD),  # complaints drop nothing
        (Reactions(5, 3, 2), Verdict.WAIT, Verdict.NEXT_STAGE),  # too few people to say anything
        (Reactions(11_000, 200, 9), Verdict.WAIT, Verdict.NEXT_STAGE),
        (Reactions(11_000, 260, 0), Verdict.HOLD, Verdict.HOLD),
    ]:
        assert judge(POLICY, seen, is_over=False) is before, seen
        assert judge(POLICY, seen, is_over=True) is after, seen


def test_where_everybody_stops_more_nobody_is_held_for_it() -> None:
    seen = Reactions(1000, 32, 0)
    assert judge(POLICY, seen, is_over=True) is Verdict.HOLD
    assert judge(POLICY, seen, is_over=True, usual_stop_rate=0.03) is Verdict.NEXT_STAGE
    assert judge(POLICY, seen, is_over=True, usual_stop_rate=0.001) is Verdict.HOLD


@given(REACTIONS, st.integers(0, 50), st.integers(0, 50), st.booleans())
def test_more_stops_or_complaints_never_let_more_leave(
    seen: Reactions, stops: int, complainants: int, is_over: bool
) -> None:
    severity = [Verdict.NEXT_STAGE, Verdict.WAIT, Verdict.HOLD, Verdict.DROP]
    worse = Reactions(seen.people, seen.stops + stops, seen.complainants + complainants)
    before, after = (judge(POLICY, each, is_over=is_over) for each in (seen, worse))
    assert severity.index(after) >= severity.index(before)


@given(REACTIONS, REACTIONS)
def test_what_a_person_accepted_does_not_count_again(seen: Reactions, accepted: Reactions) -> None:
    assert seen.less(seen) == NO_REACTIONS
    assert all(each >= 0 for each in seen.less(accepted).__reduce__()[1])  # its members


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_lower_bound_is_below_the_rate(hits: int, more: int) -> None:
    assert 0 <= wilson_lower_bound(hits, hits + more) <= hits / max(1, hits + more)


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=4))
def test_each_stage_holds_its_part_and_the_last_all_texts(parts: list[int]) -> None:
    assert [places(tuple(parts), stage) for stage in range(len(parts))] == [*accumulate(parts)]
    assert places(tuple(parts), len(parts)) is None
    assert 0 < needed_to_have_left(parts[0]) <= parts[0]


# --- daytime --------------------------------------------------------------------------------------
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


@pytest.mark.parametrize(
    ("since", "until", "minutes"),
    [
        ("2026-11-11 10:00", "2026-11-11 12:00", 120),
        ("2026-11-11 20:30", "2026-11-12 10:30", 120),  # the night does not count
        ("2026-11-11 22:00", "2026-11-12 08:59", 0),
        ("2026-11-11 00:00", "2026-11-13 00:00", 2 * 12 * 60),
        ("2026-11-11 12:00", "2026-11-11 11:00", 0),
    ],
)
def test_only_hours_of_the_day_count(since: str, until: str, minutes: int) -> None:
    assert daytime_between(POLICY, at(since), at(until)) == timedelta(minutes=minutes)


def test_the_wait_is_two_hours_of_daytime_and_needs_a_beginning() -> None:
    assert not is_wait_over(POLICY, None, at("2026-11-12 12:00"))
    assert not is_wait_over(POLICY, at("2026-11-11 20:00"), at("2026-11-12 09:59"))
    assert is_wait_over(POLICY, at("2026-11-11 20:00"), at("2026-11-12 10:00"))
