"""Calm, limits and rest, as laws: whatever is drawn, they hold."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_tokens.consent.preferences import SEASONS, Calm, Rest, Wishes, until_day
from consent_tokens.relay.decision import Accepted, Deferred, Reason, Refused, decide
from tests.unit.test_relay_decision import a_case

ZONES = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
MOMENTS = st.datetimes(
    datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)  # noqa: DTZ001 - Hypothesis wants them naive
).map(lambda moment: moment.replace(microsecond=0))  # fmt: skip
MINUTES = st.integers(0, 1439)


@given(MINUTES, MINUTES, ZONES, MOMENTS)
def test_nobody_is_woken(begins: int, ends: int, zone: str, at: datetime) -> None:
    if begins == ends:
        return
    rest = Rest(begins, ends, ZoneInfo(zone))
    awake = rest.next_awake(at)
    assert awake >= at
    assert rest.next_awake(awake) == awake
    assert awake - at < timedelta(hours=25)
    local = awake.astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    inside = begins <= minute < ends if begins < ends else minute >= begins or minute < ends
    assert not inside


@pytest.mark.parametrize(("begins", "ends"), [(0, 0), (0, 1440), (600, 600), (-1, 5), (0, 1441)])
def test_rest_that_makes_no_sense_cannot_be_made(begins: int, ends: int) -> None:
    with pytest.raises(ValueError, match="rest"):
        Rest(begins, ends, ZoneInfo("UTC"))


@given(MOMENTS, ZONES)
def test_a_season_is_this_years_or_the_next(now: datetime, zone: str) -> None:
    for season in SEASONS:
        calm = season.next(now, ZoneInfo(zone))
        assert calm.ends > now
        assert calm.begins >= now or calm.begins == now
        assert calm.ends - now <= timedelta(days=380)


def test_until_a_day_means_to_its_end() -> None:
    now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    calm = until_day(date(2026, 3, 29), now, ZoneInfo("Europe/Berlin"))  # a day of 23 hours
    assert calm.ends == datetime(2026, 3, 29, 22, tzinfo=UTC)
    with pytest.raises(ValueError, match="calm"):
        until_day(date(2026, 3, 27), now, ZoneInfo("Europe/Berlin"))


@given(st.integers(-200, 600), st.integers(0, 1023))
def test_wishes_only_ever_take_away(hours: int, drawn: int) -> None:
    """Whatever a recipient wishes, no message is let through that would not be without it."""
    plain = a_case()
    at = plain.now + timedelta(hours=hours)
    wishes = Wishes(
        calm=Calm(at, at + timedelta(hours=1 + drawn % 100)) if drawn & 1 else None,
        a_day=1 + drawn % 5 if drawn & 2 else None,
        a_week=1 + drawn % 7 if drawn & 4 else None,
        rest=Rest(drawn % 1440, (drawn * 7 + 60) % 1440, ZoneInfo("Asia/Shanghai"))
        if drawn & 8 and drawn % 1440 != (drawn * 7 + 60) % 1440
        else None,
    )
    taken = [plain.now - timedelta(hours=each) for each in range(drawn % 6, 0, -1)]
    case = a_case(wishes=wishes, all_slots=taken)
    before, after = decide(plain), decide(case)
    assert not isinstance(before, Refused)
    match after:
        case Accepted(leaves=leaves) | Deferred(leaves=leaves):
            assert not wishes.is_calm(leaves)
            assert wishes.rest is None or wishes.rest.next_awake(leaves) == leaves
            for limit in wishes.limits:
                window = [each for each in taken if leaves - limit.within < each <= leaves]
                assert len(window) < limit.most
        case Refused(reason=reason):
            assert reason in {
                Reason.CONSENT_PAUSED, Reason.CAP_REACHED, Reason.OUTSIDE_HOURS,
                Reason.TOKEN_EXPIRED,
            }  # fmt: skip


def test_calm_and_limits_leave_orders_alone() -> None:
    now = a_case().now
    wishes = Wishes(calm=Calm(now - timedelta(1), now + timedelta(1)), a_day=1)
    case = a_case(purpose="orders.updates", wishes=wishes, all_slots=[now])
    assert isinstance(decide(case), Accepted)
