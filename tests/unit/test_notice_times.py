"""Times of day in consent notices, as each language writes them."""

import pytest

from consent_tokens.consent.notice import Notice, localized_time_of_day


@pytest.mark.parametrize(
    ("language", "times"),
    [
        ("en", ["12:00 AM", "9:05 AM", "11:59 AM", "12:00 PM", "11:59 PM", "midnight"]),
        ("zh-CN", ["00:00", "09:05", "11:59", "12:00", "23:59", "24:00"]),
        ("zh-TW", ["午夜12:00", "上午9:05", "上午11:59", "中午12:00", "晚上11:59", "24:00"]),
    ],
)
def test_a_time_of_day_is_written_as_the_language_does(language: str, times: list[str]) -> None:
    minutes = (0, 545, 719, 720, 1439, 1440)
    assert [localized_time_of_day(minute, language) for minute in minutes] == times


def test_the_digest_of_a_notice_is_that_of_its_octets() -> None:
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4
    assert Notice("en", "abc").digest.hex() == digest
