"""Quiet periods, limits and quiet hours, as properties."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_tokens.consent.preferences import Preferences, QuietHours
from consent_tokens.consent.quiet_periods import SEASONS, QuietPeriod, quiet_until
from consent_tokens.relay.checks import decide
from consent_tokens.relay.decision import Accepted, Deferred, Reason, Refused
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
    rest = QuietHours(begins, ends, ZoneInfo(zone))
    awake = rest.next_end(at)
    assert awake >= at
    assert rest.next_end(awake) == awake
    assert awake - at < timedelta(hours=25)
    local = awake.astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    inside = begins <= minute < ends if begins < ends else minute >= begins or minute < ends
    assert not inside


@pytest.mark.parametrize(("begins", "ends"), [(0, 0), (0, 1440), (600, 600), (-1, 5), (0, 1441)])
def test_rest_that_makes_no_sense_cannot_be_made(begins: int, ends: int) -> None:
    with pytest.raises(ValueError, match="quiet hours"):
        QuietHours(begins, ends, ZoneInfo("UTC"))


@given(MOMENTS, ZONES)
def test_a_season_is_this_years_or_the_next(now: datetime, zone: str) -> None:
    for season in SEASONS:
        quiet = season.next_quiet_period(now, ZoneInfo(zone))
        assert quiet.ends > now
        assert quiet.begins >= now or quiet.begins == now
        assert quiet.ends - now <= timedelta(days=380)


def test_until_a_day_means_to_its_end() -> None:
    now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    quiet = quiet_until(date(2026, 3, 29), now, ZoneInfo("Europe/Berlin"))  # a day of 23 hours
    assert quiet.ends == datetime(2026, 3, 29, 22, tzinfo=UTC)
    with pytest.raises(ValueError, match="quiet period"):
        quiet_until(date(2026, 3, 27), now, ZoneInfo("Europe/Berlin"))


@given(st.integers(-200, 600), st.integers(0, 1023))
def test_preferences_only_ever_reduce(hours: int, drawn: int) -> None:
    """No preference lets a message through that would be refused without it."""
    plain = a_case()
    at = plain.now + timedelta(hours=hours)
    preferences = Preferences(
        quiet_periods=(QuietPeriod(at, at + timedelta(hours=1 + drawn % 100)),)
        if drawn & 1
        else (),
        daily_limit=1 + drawn % 5 if drawn & 2 else None,
        weekly_limit=1 + drawn % 7 if drawn & 4 else None,
        quiet_hours=QuietHours(drawn % 1440, (drawn * 7 + 60) % 1440, ZoneInfo("Asia/Shanghai"))
        if drawn & 8 and drawn % 1440 != (drawn * 7 + 60) % 1440
        else None,
    )
    taken = [plain.now - timedelta(hours=each) for each in range(drawn % 6, 0, -1)]
    case = a_case(preferences=preferences, marketing_sends=taken)
    before, after = decide(plain), decide(case)
    assert not isinstance(before, Refused)
    match after:
        case Accepted(send_at=leaves) | Deferred(send_at=leaves):
            assert not preferences.is_quiet_at(leaves)
            assert (
                preferences.quiet_hours is None
                or preferences.quiet_hours.next_end(leaves) == leaves
            )
            for limit in preferences.rate_limits:
                window = [each for each in taken if leaves - limit.window < each <= leaves]
                assert len(window) < limit.limit
        case Refused(reason=reason):
            assert reason in {
                Reason.CONSENT_PAUSED, Reason.CAP_REACHED, Reason.OUTSIDE_HOURS,
                Reason.TOKEN_EXPIRED,
            }  # fmt: skip


def test_quiet_periods_and_limits_do_not_apply_to_orders() -> None:
    now = a_case().now
    preferences = Preferences(
        quiet_periods=(QuietPeriod(now - timedelta(1), now + timedelta(1)),), daily_limit=1
    )
    case = a_case(purpose="orders.updates", preferences=preferences, marketing_sends=[now])
    assert isinstance(decide(case), Accepted)
