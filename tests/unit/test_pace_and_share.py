"""Throughput limits and fair shares, by properties."""

from hypothesis import given, settings
from hypothesis import strategies as st

from consent_tokens.relay.fair_share import fair_shares
from consent_tokens.relay.throughput import BURST_SECONDS, MIN_RATE, ThroughputLimiter

NAMES = st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 100), min_size=1, max_size=9)


@given(NAMES, st.integers(0, 500), st.integers(0, 1000))
def test_all_the_capacity_is_shared_in_proportion(
    weights: dict[str, int], capacity: int, turn: int
) -> None:
    given_ = fair_shares(weights, capacity, turn)
    assert sum(given_.values()) == capacity
    total = sum(weights.values())
    for name, weight in weights.items():
        assert abs(given_[name] - capacity * weight / total) <= 1


@given(NAMES)
def test_over_as_many_turns_as_there_are_merchants_each_comes_first_once(
    weights: dict[str, int],
) -> None:
    even = dict.fromkeys(weights, 1)
    firsts = [
        name for turn in range(len(even)) for name, got in fair_shares(even, 1, turn).items() if got
    ]
    assert sorted(firsts) == sorted(even)


def test_nobody_gets_nothing() -> None:
    assert fair_shares({}, 10) == {}


def left(
    limiter: ThroughputLimiter, seconds: float, step: float = 0.01, each: int = 1
) -> list[float]:
    """Return the moments at which messages of so many segments left, as fast as they may."""
    moments: list[float] = []
    for tick in range(int(seconds / step)):
        now = tick * step
        for _ in range(limiter.allowance(now)):
            limiter.record(each)
            moments += [now] * each
            if not limiter.allowance(now):
                break
    return moments


@settings(deadline=None)  # simulates seconds at up to 2000 messages each
@given(st.integers(4, 2000), st.integers(1, 3))
def test_the_rate_is_kept_over_any_ten_seconds(rate: int, each: int) -> None:
    moments = left(ThroughputLimiter(rate, 0.0), 25, step=0.05, each=each)
    for begin in (0.0, 3.3, 7.1, 14.9):
        count = sum(begin <= moment < begin + 10 for moment in moments)
        assert count <= rate * 10 + max(1.0, rate * BURST_SECONDS) + each
        assert count >= rate * 10 * 0.95 - each


def test_without_a_rate_it_goes_as_fast_as_it_is_asked() -> None:
    assert ThroughputLimiter(0, 0.0).allowance(0.0) > 10_000


def test_it_slows_down_to_what_the_gateway_takes_and_comes_back() -> None:
    limiter = ThroughputLimiter(1000, 0.0)
    limiter.back_off(10.0, accepted_per_second=300)
    assert limiter.current == 500, "half at first: what was taken may have been chance"
    limiter.back_off(10.5, accepted_per_second=300)
    assert limiter.current == 500, "once a second"
    limiter.back_off(11.5, accepted_per_second=300)
    assert 250 <= limiter.current <= 300
    for tick in range(60):
        limiter.allowance(12.0 + tick)
    assert limiter.current == 1000
    assert not limiter.is_slowed


def test_it_never_stops_altogether_and_recovers_within_a_minute() -> None:
    limiter = ThroughputLimiter(500, 0.0)
    for second in range(60):
        limiter.back_off(float(second), accepted_per_second=0)
    assert limiter.current == MIN_RATE
    for tick in range(600):
        limiter.allowance(60 + tick / 10)
    assert limiter.current == 500


def test_a_debt_is_waited_off() -> None:
    limiter = ThroughputLimiter(10, 0.0)
    assert limiter.allowance(0.0) == 2
    limiter.record(12)
    assert limiter.allowance(0.5) == 0
    assert 0 < limiter.seconds_until_allowed() < 1
    assert limiter.allowance(1.2) == 2
