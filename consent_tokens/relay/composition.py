"""Composes the text that is sent: signature, the merchant's text, for marketing the opt-out.

GSM 7-bit default alphabet and its extension table (3GPP TS 23.038, 6.2.1), or UCS-2; long texts in
segments with a concatenation header (3GPP TS 23.040, 9.2.3.24.1).
"""

import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from msgspec import Struct

from consent_tokens.localization import LANGUAGES, catalogue

GSM_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
ESCAPE: Final = 0x1B
GSM_EXTENSION: Final = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F,
    "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65,
}  # fmt: skip
GSM_ENCODING: Final[dict[str, bytes]] = {
    **{letter: bytes([code]) for code, letter in enumerate(GSM_BASIC) if code != ESCAPE},
    **{letter: bytes([ESCAPE, code]) for letter, code in GSM_EXTENSION.items()},
}
GSM_MAX_CHARACTER: Final = max(GSM_ENCODING)
GSM_DECODING: Final = {octets: letter for letter, octets in GSM_ENCODING.items()}
# Octets of a single-segment message, and of each segment of a longer one. GSM letters count as one
# octet each, as SMPP carries them; 160 septets fit into the 140 octets of a radio segment.
GSM_WHOLE, GSM_SEGMENT = 160, 153
UCS2_WHOLE, UCS2_SEGMENT = 140, 134

# Control, format and unassigned characters: invisible, or they change how other text is shown.
INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"}) | {"Zl", "Zp"}
ALLOWED_CONTROLS: Final = frozenset("\n\r")
# by language; looked up once, because every message needs it
OPT_OUT: Final = {each: catalogue(each).gettext("Reply STOP to refuse:") for each in LANGUAGES}
KEYWORD_ALONE: Final = {each: words.rstrip(":") for each, words in OPT_OUT.items()}
SIGNATURE_MARKS: Final = {"zh-CN": ("【", "】"), "zh-TW": ("【", "】"), "en": ("[", "] ")}


class Coding(StrEnum):
    """The alphabet in which a text is encoded."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


class ComposedText(Struct, frozen=True):
    """An encoded text: the octets of its segments, without concatenation headers."""

    coding: Coding
    segments: tuple[bytes, ...]

    @property
    def characters_left(self) -> int:
        """How many more characters the last segment takes: letters of UCS-2, septets of GSM."""
        is_whole, used = len(self.segments) == 1, len(self.segments[-1])
        if self.coding is Coding.UCS2:
            return ((UCS2_WHOLE if is_whole else UCS2_SEGMENT) - used) // 2
        return (GSM_WHOLE if is_whole else GSM_SEGMENT) - used


def is_displayable(text: str) -> bool:
    """Whether a text has no control, bidirectional or zero-width characters."""
    if text.isprintable():  # fast path: printable text has none of these
        return True
    return all(
        letter in ALLOWED_CONTROLS or unicodedata.category(letter) not in INVISIBLE_CATEGORIES
        for letter in text
    )


def with_signature_and_opt_out(
    text: str, *, signature: str, language: str, link: str | None, is_limited: bool = False
) -> str:
    """Return a text with its signature and, if it is limited or has a link, how to opt out."""
    before, after = SIGNATURE_MARKS[language]
    ending = f" {KEYWORD_ALONE[language]}" if is_limited else ""
    if link:
        ending = f" {OPT_OUT[language]} {link}"
    return f"{before}{signature}{after}{text}{ending}"


def compose(text: str) -> ComposedText:
    """Return a text encoded in GSM 7-bit if possible, else in UCS-2, split into segments.

    No character is split, neither an escaped one of GSM nor a surrogate pair of UCS-2 (UTF-16BE).
    """
    if not text or (max(text) <= GSM_MAX_CHARACTER and GSM_ENCODING.keys() >= set(text)):
        units = [GSM_ENCODING[letter] for letter in text]
        octets = b"".join(units)
        if len(octets) <= GSM_WHOLE:
            return ComposedText(Coding.GSM7, (octets,))
        return ComposedText(Coding.GSM7, tuple(_split(units, GSM_SEGMENT)))
    octets = text.encode("utf-16-be")
    if len(octets) <= UCS2_WHOLE:
        return ComposedText(Coding.UCS2, (octets,))
    units = [letter.encode("utf-16-be") for letter in text]
    return ComposedText(Coding.UCS2, tuple(_split(units, UCS2_SEGMENT)))


def _split(units: list[bytes], max_octets: int) -> Iterator[bytes]:
    segment = bytearray()
    for unit in units:
        if len(segment) + len(unit) > max_octets:
            yield bytes(segment)
            segment.clear()
        segment += unit
    yield bytes(segment)


def decode(composed: ComposedText) -> str:
    """Return the text of a composed text, as a phone shows it."""
    return decode_octets(b"".join(composed.segments), composed.coding)


def decode_octets(octets: bytes, coding: Coding) -> str:
    """Return the text in octets; what does not decode becomes U+FFFD."""
    if coding is Coding.UCS2:
        return octets.decode("utf-16-be", errors="replace")
    letters: list[str] = []
    rest = iter(octets)
    for octet in rest:
        unit = bytes([octet, next(rest, 0)]) if octet == ESCAPE else bytes([octet])
        letters.append(GSM_DECODING.get(unit, "\ufffd"))
    return "".join(letters)
