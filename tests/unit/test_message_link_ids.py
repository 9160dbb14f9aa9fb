"""The ids of links in texts: their form, and the room that they leave in a segment."""

import secrets
from collections import Counter

import pytest

from consent_tokens.crypto.keys import IndexKey
from consent_tokens.crypto.message_link_ids import (
    BASE62,
    LINK_ID_CHARACTERS,
    PLACEHOLDER_LINK_ID,
    draw_link_ids,
    is_link_id,
    link_hash,
)
from consent_tokens.relay.composition import compose, with_signature_and_opt_out


def test_ids_are_eleven_base62_characters_and_use_all_of_them() -> None:
    drawn = draw_link_ids(2000, secrets.token_bytes)
    assert len(set(drawn)) == 2000
    assert all(is_link_id(each) for each in drawn)
    assert set("".join(drawn)) == set(BASE62)
    assert draw_link_ids(0, secrets.token_bytes) == []


def test_each_character_is_equally_likely() -> None:
    """Of all 256 bytes each character gets four; the others are drawn again."""
    every_byte = bytes(range(256)) * LINK_ID_CHARACTERS
    [*drawn] = draw_link_ids(256, lambda _: every_byte)
    counts = Counter("".join(drawn[:248]))
    assert counts == dict.fromkeys(BASE62, 4 * LINK_ID_CHARACTERS)


@pytest.mark.parametrize("text", ["", "0" * 10, "0" * 12, "-" * 11, "0" * 10 + "_", "０" * 11])
def test_other_forms_are_not_ids(text: str) -> None:
    assert not is_link_id(text)


def test_the_hash_depends_on_the_key() -> None:
    keys = IndexKey(bytes(32)), IndexKey(bytes(31) + b"1")
    assert len({link_hash(PLACEHOLDER_LINK_ID, each) for each in keys}) == 2


def test_24_chinese_characters_and_a_link_stay_in_one_segment() -> None:
    base = "https://sms.examp.le"
    assert len(base) == 20

    def characters_left(length: int) -> tuple[int, int]:
        link = f"{base}/m/{PLACEHOLDER_LINK_ID}"
        text = with_signature_and_opt_out(
            "好" * length, signature="晨光", language="zh-CN", link=link, is_limited=True
        )
        composed = compose(text)
        return len(composed.segments), composed.characters_left

    assert characters_left(23) == (1, 1)
    assert characters_left(24) == (1, 0)
    assert characters_left(25) == (2, 63)


def test_characters_left_in_gsm_count_septets() -> None:
    assert compose("").characters_left == 160
    assert compose("a€").characters_left == 157
    assert compose("a" * 161).characters_left == 145
