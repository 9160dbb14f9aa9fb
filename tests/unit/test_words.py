"""Small things: hours, settings, the simulator, reports in SMPP."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_tokens.clock import ManualClock
from consent_tokens.consent.scope import (
    FrequencyCap,
    SendWindow,
    format_time_of_day,
    parse_time_of_day,
)
from consent_tokens.crypto.encoding import decode, encode


@given(st.integers(0, 1440))
def test_times_are_read_as_they_are_written(value: int) -> None:
    assert parse_time_of_day(format_time_of_day(value)) == value


@pytest.mark.parametrize("text", ["9:00", "24:01", "12:60", "", "noon", "-1:00", "09:00 "])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_time_of_day(text)


@pytest.mark.parametrize(("most", "days"), [(0, 1), (1001, 1), (1, 0), (1, 366)])
def test_a_cap_out_of_bounds_cannot_be_made(most: int, days: int) -> None:
    with pytest.raises(ValueError, match="cap"):
        FrequencyCap(most, timedelta(days=days))


def test_hours_that_end_before_they_begin_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="send window"):
        SendWindow.parse("21:00", "09:00", ZoneInfo("UTC"))


@given(st.binary(max_size=80))
def test_base64url_is_read_as_it_is_written(data: bytes) -> None:
    assert decode(encode(data)) == data


@given(st.text("ABab01-_+/= \n", max_size=12))
def test_base64url_takes_canonical_text_only(text: str) -> None:
    try:
        data = decode(text)
    except ValueError:
        return
    assert encode(data) == text


def test_a_clock_in_a_test_does_not_go_backwards() -> None:
    with pytest.raises(ValueError, match="does not go back"):
        ManualClock().advance(timedelta(seconds=-1))
