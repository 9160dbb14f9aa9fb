"""Times of day in consent notices, as each language writes them."""

import pytest

from consent_tokens.consent.notice import Notice, localized_time_of_day


@pytest.mark.parametrize(
    ("language", "times"),
    [
        ("en", ["midnight", "9:05 am", "11:59 am", "noon", "11:59 pm", "midnight"]),
        ("zh-CN", ["凌晨0点", "上午9点05分", "上午11点59分", "中午12点", "晚上11点59分", "24点"]),
        ("zh-TW", ["凌晨0點", "上午9點05分", "上午11點59分", "中午12點", "晚上11點59分", "24點"]),
    ],
)
def test_a_time_of_day_is_written_as_the_language_does(language: str, times: list[str]) -> None:
    minutes = (0, 545, 719, 720, 1439, 1440)
    assert [localized_time_of_day(minute, language) for minute in minutes] == times


def test_the_digest_of_a_notice_is_that_of_its_octets() -> None:
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4
    assert Notice("en", "abc").digest.hex() == digest
