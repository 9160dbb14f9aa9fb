"""How many letters fit, and which octets stand for them (3GPP TS 23.038 and 23.040)."""

import pytest

from consent_tokens.relay.composition import (
    Coding,
    ComposedText,
    compose,
    decode,
    decode_octets,
    is_displayable,
    with_signature_and_opt_out,
)


def lengths(text: str) -> list[int]:
    return [len(segment) for segment in compose(text).segments]


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("", [0]),
        ("x" * 160, [160]),
        ("x" * 161, [153, 8]),
        ("x" * 306, [153, 153]),
        ("x" * 307, [153, 153, 1]),
        ("€" * 80, [160]),
        ("€" * 81, [152, 10]),  # the escape and its letter stay together
        ("拒" * 70, [140]),
        ("拒" * 71, [134, 8]),
        ("拒" * 134, [134, 134]),
        ("拒" * 135, [134, 134, 2]),
        ("😀" * 35, [140]),
        ("😀" * 36, [132, 12]),  # and so does a surrogate pair
    ],
)
def test_a_text_is_cut_where_the_standard_says(text: str, octets: list[int]) -> None:
    assert lengths(text) == octets
    assert decode(compose(text)) == text


@pytest.mark.parametrize(
    ("letters", "octets"),
    [
        ("@£$¥èéùìòÇ\nØø\rÅå", bytes(range(16))),
        ("Δ_ΦΓΛΩΠΨΣΘΞ", bytes(range(0x10, 0x1B))),
        ("ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡", bytes(range(0x1C, 0x41))),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿", bytes(range(0x41, 0x61))),
        ("abcdefghijklmnopqrstuvwxyzäöñüà", bytes(range(0x61, 0x80))),
        ("\f^{}\\[~]|€", b"\x1b\x0a\x1b\x14\x1b(\x1b)\x1b/\x1b<\x1b=\x1b>\x1b@\x1be"),
    ],
)  # fmt: skip
def test_the_letters_of_gsm_are_those_of_its_table(letters: str, octets: bytes) -> None:
    assert compose(letters) == ComposedText(Coding.GSM7, (octets,))
    assert decode_octets(octets, Coding.GSM7) == letters


def test_a_letter_outside_the_alphabet_makes_it_ucs2() -> None:
    assert compose("a拒") == ComposedText(Coding.UCS2, (b"\x00a\x62\xd2",))
    assert compose("aê").coding is Coding.UCS2  # lower in Unicode than the last letter of GSM
    assert compose("a\x1b").coding is Coding.UCS2, "the escape itself is no letter"
    assert [str(each) for each in Coding] == ["gsm7", "ucs2"]


def test_octets_of_no_letter_are_shown_as_such() -> None:
    assert decode_octets(b"a\x1b", Coding.GSM7) == "a\ufffd"
    assert decode_octets(b"\x1b\x01b", Coding.GSM7) == "\ufffdb"
    assert decode_octets(b"\x80", Coding.GSM7) == "\ufffd"
    assert decode_octets(b"\x00a\xd8\x00", Coding.UCS2) == "a\ufffd"


@pytest.mark.parametrize(
    "letter",
    [
        "\x00", "\t", "\x7f", "\u200b", "\u202e", "\ufeff", "\ue000", "\u0378", "\u2028", "\u2029",
        "\ud800",
    ],
)  # fmt: skip
def test_what_steers_or_hides_text_is_not_displayable(letter: str) -> None:
    assert not is_displayable(f"a{letter}b")


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "拒 \u3000 é", "a\u00a0b", "😀"])
def test_what_people_read_is_displayable(text: str) -> None:
    assert is_displayable(text)


@pytest.mark.parametrize(
    ("language", "link", "shown"),
    [
        ("en", None, "[Shop] hi"),
        ("zh-CN", None, "【Shop】hi"),
        ("zh-TW", None, "【Shop】hi"),
        ("zh-CN", "x.cn/s", "【Shop】hi 拒收请回复R x.cn/s"),
        ("zh-TW", "x.cn/s", "【Shop】hi 拒收請回覆R x.cn/s"),
    ],
)
def test_a_text_stands_between_signature_and_opt_out(
    language: str, link: str | None, shown: str
) -> None:
    assert with_signature_and_opt_out("hi", signature="Shop", language=language, link=link) == shown
    english = with_signature_and_opt_out("hi", signature="Shop", language="en", link="x.cn/s")
    assert english.startswith("[Shop] hi Reply STOP ")
    assert english.endswith(" x.cn/s")
