"""Frequency caps, throughput and priorities, step by step."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consent_tokens.consent.purposes import Purpose
from consent_tokens.policies import RateLimit
from consent_tokens.relay.fair_share import fair_shares
from consent_tokens.relay.frequency_cap import next_allowed_at, remaining
from consent_tokens.relay.message import (
    Message,
    MessageOutcome,
    MessageStatus,
    Priority,
    priority_of,
)
from consent_tokens.relay.throughput import ThroughputLimiter
from consent_tokens.row_key import RowKey

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def fits(limit: RateLimit, sends: list[datetime], at: datetime) -> bool:
    """Whether no window holds more than the limit once `at` is added: the definition, literally."""
    counted = sorted([*sends, at])
    return all(
        sum(begin <= each < begin + limit.window for each in counted) <= limit.limit
        for begin in counted
    )


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(0, 40), st.integers(1, 4))
def test_the_next_moment_is_the_first_that_fits(hours: list[int], hour: int, most: int) -> None:
    limit = RateLimit(most, 6 * HOUR)
    sends: list[datetime] = []
    for each in sorted(hours):
        if fits(limit, sends, START + each * HOUR):
            sends.append(START + each * HOUR)
    at = START + hour * HOUR
    found = next_allowed_at(limit, sends, at)
    first = next(at + each * HOUR for each in range(100) if fits(limit, sends, at + each * HOUR))
    assert found == first


@given(st.lists(st.integers(0, 20), max_size=6), st.integers(0, 20), st.integers(1, 4))
def test_what_remains_fits_and_one_more_does_not(hours: list[int], hour: int, most: int) -> None:
    limit = RateLimit(most, 6 * HOUR)
    sends: list[datetime] = []
    for each in sorted(hours):
        if fits(limit, sends, START + each * HOUR):
            sends.append(START + each * HOUR)
    now = START + hour * HOUR
    left = remaining(limit, sends, now)
    for _ in range(left):
        assert fits(limit, sends, now)
        sends.append(now)
    assert not fits(limit, sends, now)


def test_shares_that_do_not_divide_begin_with_another_each_turn() -> None:
    weights = {"a": 1, "b": 1, "c": 1}
    assert fair_shares(weights, 4) == {"a": 2, "b": 1, "c": 1}
    assert fair_shares(weights, 4, turn=1) == {"a": 1, "b": 2, "c": 1}
    assert fair_shares(weights, 5, turn=2) == {"a": 2, "b": 1, "c": 2}
    assert fair_shares({"a": 3, "b": 1}, 8, turn=3) == {"a": 6, "b": 2}


def test_a_quarter_of_a_second_may_leave_at_once() -> None:
    limiter = ThroughputLimiter(40, 0.0)
    assert limiter.allowance(0.0) == 10
    assert limiter.current == 40
    limiter.record(10)
    assert limiter.allowance(0.0) == 0
    assert limiter.seconds_until_allowed() == pytest.approx(0.025)
    assert limiter.allowance(0.1) == 4
    assert limiter.seconds_until_allowed() == 0
    assert limiter.allowance(60.0) == 10, "what was not used does not add up"


def test_however_slow_one_may_leave_at_once() -> None:
    limiter = ThroughputLimiter(2, 0.0)
    assert limiter.allowance(0.0) == 1
    limiter.record(3)
    assert limiter.allowance(0.0) == 0
    assert limiter.seconds_until_allowed() == pytest.approx(1.5)
    assert limiter.allowance(1.4) == 0
    assert limiter.allowance(1.51) == 1


def test_a_clock_that_went_back_gives_nothing() -> None:
    limiter = ThroughputLimiter(4, 10.0)
    limiter.record(1)
    assert limiter.allowance(5.0) == 0
    assert limiter.allowance(10.0) == 0
    assert limiter.allowance(10.25) == 1


def test_backing_off_takes_what_could_have_left_at_once() -> None:
    limiter = ThroughputLimiter(100, 0.0)
    assert limiter.allowance(0.0) == 25
    limiter.back_off(0.0, accepted_per_second=80)
    assert limiter.current == 72, "nine tenths of what the gateway takes, if that is more than half"
    assert limiter.is_slowed
    assert limiter.allowance(0.0) == 0
    limiter.record(5)
    limiter.back_off(1.0, accepted_per_second=40)
    assert limiter.current == 36
    assert limiter.seconds_until_allowed() == pytest.approx(6 / 36), "a debt stays a debt"


def test_backing_off_never_makes_it_faster() -> None:
    limiter = ThroughputLimiter(100, 0.0)
    limiter.back_off(0.0, accepted_per_second=500)
    assert limiter.current == 100
    assert not limiter.is_slowed


def test_it_never_goes_slower_than_one_a_second() -> None:
    limiter = ThroughputLimiter(4, 0.0)
    for second in range(9):
        limiter.back_off(float(second), accepted_per_second=0)
    assert limiter.current == 1.0


def test_without_a_rate_it_backs_off_to_what_the_gateway_takes() -> None:
    limiter = ThroughputLimiter(0, 0.0)
    assert limiter.current == 1_000_000
    assert not limiter.is_slowed
    limiter.back_off(0.0, accepted_per_second=200)
    assert limiter.current == 180
    limiter.back_off(1.0, accepted_per_second=0)
    assert limiter.current == 90
    assert limiter.is_slowed


def test_it_waits_a_second_then_grows_fast_far_from_the_ceiling_and_slowly_near_it() -> None:
    limiter = ThroughputLimiter(1000, 0.0)
    limiter.back_off(0.0, accepted_per_second=800)
    assert limiter.current == 720
    limiter.allowance(1.0)
    assert limiter.current == 720, "not within the second"
    limiter.allowance(2.0)
    assert limiter.current == pytest.approx(720 * 1.02), "it is at nine tenths of the ceiling"
    limiter.allowance(9.9)
    assert limiter.current == pytest.approx(720 * 1.02**8.9)
    limiter.allowance(10.0)
    assert limiter.current == pytest.approx(720 * 1.02**8.9 * 1.25**0.1), "the ceiling is forgotten"
    limiter.back_off(10.0, accepted_per_second=100)
    assert limiter.current == pytest.approx(720 * 1.02**8.9 * 1.25**0.1 / 2)


def test_far_below_what_the_gateway_took_it_grows_fast() -> None:
    limiter = ThroughputLimiter(1000, 0.0)
    limiter.back_off(0.0, accepted_per_second=100)
    limiter.back_off(1.0, accepted_per_second=100)
    limiter.back_off(2.0, accepted_per_second=1000)
    assert limiter.current == 250
    limiter.allowance(3.0)
    assert limiter.current == 250
    limiter.allowance(3.5)
    assert limiter.current == pytest.approx(250 * 1.25**0.5)


def test_the_service_goes_first_then_transactional_then_marketing() -> None:
    assert list(Priority) == [Priority.SERVICE, Priority.TRANSACTIONAL, Priority.MARKETING]
    assert [int(each) for each in Priority] == [0, 1, 2]
    for purpose in Purpose:
        expected = Priority.MARKETING if purpose.is_limited else Priority.TRANSACTIONAL
        assert priority_of(purpose) is expected


def test_each_status_of_a_message_waits_or_is_over() -> None:
    waiting = {each for each in MessageStatus if each.is_waiting}
    failed = {each for each in MessageStatus if each.is_failure}
    assert waiting == {MessageStatus.QUEUED, MessageStatus.DEFERRED}
    assert failed == {
        MessageStatus.UNDELIVERABLE, MessageStatus.REFUSED, MessageStatus.EXPIRED,
        MessageStatus.UNKNOWN,
    }  # fmt: skip
    assert all(each.value == each.name.lower() for each in MessageStatus)


def test_a_new_message_has_no_attempt_and_one_that_is_tried_counts() -> None:
    message = Message(
        key=RowKey(1, 2), grant_key=RowKey(1, 3), merchant_id="m", sender_id="s",
        priority=Priority.MARKETING, purpose="marketing.events", status=MessageStatus.QUEUED,
        accepted_at=START, send_at=START, valid_until=START, changed_at=START, segments=1,
        sealed_number=None,
    )  # fmt: skip
    assert message.attempts == 0
    assert message.grant_id == 3
    assert replace(message, grant_key=None).grant_id is None
    outcome = MessageOutcome(key=message.key, attempts=1, status=MessageStatus.SENT, send_at=START)
    assert outcome.counts_as_attempt
