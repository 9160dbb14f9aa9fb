"""Send windows and quiet hours where a number may be in several time zones (tests/cases/32)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from consent_tokens.consent.notice import describe_hours, describe_send_window
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.preferences import QuietHours
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import SendWindow, send_window_of
from consent_tokens.consent.timezones import Timezones, format_timezones, parse_timezones

CASE = Path(__file__).parents[1] / "cases" / "32" / "input.txt"
CITIES = {
    "+34": ["Europe/Madrid", "Atlantic/Canary"],
    "+61": ["Australia/Perth", "Australia/Sydney", "Australia/Adelaide"],
}
PURPOSES = frozenset({Purpose.PROMOTIONS})
SHANGHAI = ZoneInfo("Asia/Shanghai")
# with half hours, with and without daylight saving, on both sides of the date line
ZONES = [
    "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Australia/Perth", "Europe/Madrid",
    "Atlantic/Canary", "America/St_Johns", "America/New_York", "Pacific/Kiritimati",
    "Pacific/Pago_Pago", "Europe/Kaliningrad", "Asia/Kamchatka", "Africa/Casablanca", "UTC",
]  # fmt: skip
several = st.lists(st.sampled_from(ZONES), min_size=1, max_size=4, unique=True).map(
    lambda names: tuple(map(ZoneInfo, names))
)
START = datetime(2026, 1, 1, tzinfo=UTC)
moments = st.integers(0, 4 * 365 * 24 * 60).map(lambda late: START + timedelta(minutes=late))


def zones(number: str) -> Timezones:
    return PhoneNumber.parse(number).timezones(SHANGHAI)


def minute(at: datetime, zone: ZoneInfo) -> int:
    local = at.astimezone(zone)
    return local.hour * 60 + local.minute


def window(opens: int, closes: int, timezones: Timezones) -> SendWindow | None:
    """Return a window; None if it is never open in all its time zones."""
    try:
        return SendWindow(opens, closes, timezones[0], timezones[1:])
    except ValueError:
        return None


def offset_changes(since: datetime, until: datetime, timezones: Timezones) -> bool:
    """Whether a clock is changed: Casablanca's lacks an hour for a month of fasting."""
    days = [since + timedelta(days=day) for day in range((until - since).days + 2)]
    return any(len({day.astimezone(zone).utcoffset() for day in days}) > 1 for zone in timezones)


@given(st.integers(0, 1439), st.integers(1, 1440), several, moments)
def test_a_window_is_never_open_where_one_zone_is_closed(
    opens: int, length: int, timezones: Timezones, at: datetime
) -> None:
    found = window(opens, min(1440, opens + length), timezones)
    assume(found is not None)
    assert found
    opened = found.next_open(at)
    assert opened >= at
    assert all(found.opens <= minute(opened, zone) < found.closes for zone in timezones)


@given(st.integers(0, 1439), st.integers(1, 1440), several, moments)
def test_it_opens_at_the_first_minute_that_is_open_everywhere(
    opens: int, length: int, timezones: Timezones, at: datetime
) -> None:
    found = window(opens, min(1440, opens + length), timezones)
    assume(found is not None)
    assert found
    opened = found.next_open(at)
    assert opened - at < timedelta(days=4) or offset_changes(at, opened, timezones)
    # every quarter of an hour before that, one zone at least is closed, but for a clock change
    for early in range(1, int((opened - at) / timedelta(minutes=15))):
        moment = at + early * timedelta(minutes=15)
        is_open = all(found.opens <= minute(moment, zone) < found.closes for zone in timezones)
        changes = any(
            moment.astimezone(zone).utcoffset()
            != (moment - timedelta(days=1)).astimezone(zone).utcoffset()
            for zone in timezones
        )
        assert not is_open or changes


@given(st.integers(0, 1440), st.integers(0, 1440), several, moments)
def test_quiet_hours_end_where_they_end_everywhere(
    begins: int, ends: int, timezones: Timezones, at: datetime
) -> None:
    assume(begins % 1440 != ends % 1440)
    try:
        hours = QuietHours(begins, ends, timezones[0], timezones[1:])
    except ValueError:
        return
    awake = hours.next_end(at)
    assert awake >= at
    for zone in timezones:
        now = minute(awake, zone)
        quiet = begins <= now < ends if begins < ends else now >= begins or now < ends
        assert not quiet


def test_hours_that_are_never_open_everywhere_are_no_window() -> None:
    kaliningrad_to_kamchatka = "Europe/Kaliningrad Asia/Kamchatka"  # ten hours apart
    with pytest.raises(ValueError, match="open in all"):
        send_window_of(9 * 60, 12 * 60, kaliningrad_to_kamchatka)
    found = send_window_of(9 * 60, 21 * 60, kaliningrad_to_kamchatka)
    assert found.next_open(datetime(2026, 3, 1, tzinfo=UTC)).hour == 7  # 09:00 and 19:00
    first, *others = parse_timezones(kaliningrad_to_kamchatka)
    with pytest.raises(ValueError, match="end in all"):
        QuietHours(21 * 60, 12 * 60, first, tuple(others))


@pytest.mark.parametrize("line", CASE.read_text("utf-8").splitlines())
def test_the_reported_numbers_are_texted_within_the_hours_of_every_zone(line: str) -> None:
    number = line.split(":", maxsplit=1)[0]
    timezones = zones(number)
    found = SendWindow.parse("09:00", "21:00", timezones[0], timezones[1:])
    opened = found.next_open(datetime(2026, 11, 26, 22, 30, tzinfo=UTC))
    for name in CITIES[number[:3]]:
        assert 9 * 60 <= minute(opened, ZoneInfo(name)) < 21 * 60, name


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+8613800138000", "Asia/Shanghai"),
        ("+447400123456", "Europe/London"),  # Guernsey, Jersey and Man have the same time
        ("+353850123456", "Europe/Dublin"),
        ("+393123456789", "Europe/Rome"),
        ("+4740612345", "Europe/Oslo"),
        ("+77710009998", "Asia/Almaty"),
        ("+12125550123", "America/New_York"),  # by its area code
        ("+18762101234", "America/Jamaica"),
        ("+34612345671", "Europe/Madrid Atlantic/Canary"),
        ("+351912345678", "Europe/Lisbon Atlantic/Azores"),
        ("+64211234567", "Pacific/Auckland Pacific/Chatham"),
        ("+6281234567890", "Asia/Jakarta Asia/Jayapura Asia/Makassar"),
        ("+56912345678", "America/Santiago America/Punta_Arenas Pacific/Easter"),
        ("+80012345678", "Asia/Shanghai"),  # of no country: the default
    ],
)
def test_the_zones_that_a_number_may_be_in(number: str, expected: str) -> None:
    first, *others = expected.split(" ")
    names = [zone.key for zone in zones(number)]
    assert (names[0], {*names[1:]}) == (first, {*others})


def test_the_zones_of_australia_include_the_islands_whose_numbers_look_the_same() -> None:
    names = [zone.key for zone in zones("+61412345671")]
    assert names[0] == "Australia/Sydney"
    assert {"Australia/Perth", "Australia/Darwin", "Indian/Cocos"} <= {*names}
    assert "Australia/Melbourne" not in names


def test_the_zones_of_russia_include_kaliningrad() -> None:
    names = [zone.key for zone in zones("+79123456789")]
    assert names[0] == "Europe/Moscow"
    assert {"Europe/Kaliningrad", "Asia/Anadyr", "Asia/Omsk"} <= {*names}
    assert "Europe/Bucharest" not in names


def in_words(number: str, language: str = "en") -> str:
    timezones = zones(number)
    found = SendWindow.parse("09:00", "21:00", timezones[0], timezones[1:])
    return describe_send_window(found, PURPOSES, language)


def test_the_words_name_a_place_that_people_know() -> None:
    assert "United Kingdom time" in in_words("+447400123456")
    assert "英国时间" in in_words("+447400123456", "zh-CN")
    assert "every time zone of your country (Australia)" in in_words("+61412345671")
    assert "澳大利亚" in in_words("+61412345671", "zh-CN")
    chosen = SendWindow.parse("09:00", "21:00", ZoneInfo("Australia/Perth"))
    assert "Perth time" in describe_send_window(chosen, PURPOSES, "en")
    assert "your local time" in describe_hours(chosen, PURPOSES, "en")


@pytest.mark.parametrize(
    "names",
    ["", " ", "UTC ", " UTC", "UTC  UTC", "UTC UTC", "../etc/passwd", "/etc/localtime", "Europe",
     "Nowhere/At_All", "UTC\n", " ".join(f"Etc/GMT+{n}" for n in range(60))],
)  # fmt: skip
def test_a_list_of_time_zones_is_parsed_strictly(names: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        parse_timezones(names)


def test_a_list_of_time_zones_is_written_as_it_is_read() -> None:
    names = "Europe/Madrid Atlantic/Canary"
    assert format_timezones(parse_timezones(names)) == names
    assert send_window_of(540, 1260, names).timezone_names == names
