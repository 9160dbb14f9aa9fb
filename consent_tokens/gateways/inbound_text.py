"""Finds the text in the octets of an inbound message, whatever its data_coding says.

Carriers deliver texts in codings that data_coding does not name, or names differently. So each
coding that can be meant is tried, each reading is rated by how much it looks like written text, and
the one that data_coding names has an advantage. Other readings that look like text are returned
beside it: what makes no sense in one reading and is a stop keyword in another is a stop.

Sources: SMPP 3.4, 5.2.19; 3GPP TS 23.038, clause 4; CMPP 2.0, Msg_Fmt (15 is GB 18030).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from msgspec import Struct

from consent_tokens.gateways.gsm7 import decode_septets, unpack_septets
from consent_tokens.gateways.text_rating import is_frequent, is_likely_answer, is_typed, rate

MAX_ALTERNATIVES: Final = 4
ADVANTAGE: Final = 0.3  # of the coding that data_coding names
UTF8_ADVANTAGE: Final = 0.35
MAX_ASCII_SHARE: Final = 0.6  # of the octets of Chinese text in UTF-16
MIN_RATING: Final = 0.5  # of an alternative
BYTE_ORDER_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8", b"\xfe\xff": "utf-16-be", b"\xff\xfe": "utf-16-le",
}  # fmt: skip
CONTROL_BELOW, DELETE, LINE_BREAKS = 0x20, 0x7F, b"\t\n\r"


class InboundCoding(StrEnum):
    """A coding of inbound text; values other than those of GSM 7-bit are names of codecs."""

    GSM7 = "gsm7"
    GSM7_PACKED = "gsm7_packed"
    UTF8 = "utf-8"
    UTF16_BE = "utf-16-be"
    UTF16_LE = "utf-16-le"
    GB18030 = "gb18030"
    BIG5 = "big5"
    LATIN1 = "cp1252"
    CYRILLIC = "iso8859-5"
    HEBREW = "iso8859-8"
    JIS = "iso2022-jp"
    SHIFT_JIS = "shift-jis"
    KOREAN = "euc-kr"


GSM_CODINGS: Final = frozenset({InboundCoding.GSM7, InboundCoding.GSM7_PACKED})
UTF16_CODINGS: Final = frozenset({InboundCoding.UTF16_BE, InboundCoding.UTF16_LE})
# without a name for it: in the order in which equally good readings win
BY_EVIDENCE: Final = (
    InboundCoding.UTF8, InboundCoding.UTF16_BE, InboundCoding.GB18030, InboundCoding.UTF16_LE,
    InboundCoding.BIG5, InboundCoding.LATIN1, InboundCoding.GSM7_PACKED,
)  # fmt: skip
# SMPP 3.4, 5.2.19; 2 and 4 are octets of no stated coding
SMPP_CODINGS: Final = {
    0: InboundCoding.GSM7, 1: InboundCoding.UTF8, 3: InboundCoding.LATIN1, 5: InboundCoding.JIS,
    6: InboundCoding.CYRILLIC, 7: InboundCoding.HEBREW, 8: InboundCoding.UTF16_BE,
    9: InboundCoding.UTF16_BE, 10: InboundCoding.UTF16_BE, 11: InboundCoding.UTF16_BE,
    13: InboundCoding.SHIFT_JIS, 14: InboundCoding.KOREAN, 15: InboundCoding.GB18030,
}  # fmt: skip
SMPP_LAST: Final = 0x0F
GROUP_MASK, MARKED_FOR_DELETION, WAITING_DISCARD, WAITING_STORE, WAITING_UCS2, CLASS_GROUP = (
    0xF0, 0x70, 0xC0, 0xD0, 0xE0, 0xF0,
)  # fmt: skip
ALPHABET_SHIFT, ALPHABET_MASK, CLASS_8BIT = 2, 0x03, 0x04
GSM_ALPHABETS: Final = {0: InboundCoding.GSM7, 2: InboundCoding.UTF16_BE}


class TextPart(Struct, frozen=True):
    """The octets of one segment's text, and what its user data header says about them."""

    octets: bytes
    header_octets: int = 0  # length of the header, with its length octet
    locking: int = 0  # national language tables (TS 23.040, 9.2.3.24.15 and .16)
    single: int = 0


@dataclass(frozen=True, slots=True)
class Readings:
    """The likely text of an inbound message, and other texts that its octets may be."""

    text: str
    alternatives: tuple[str, ...] = ()
    is_readable: bool = True


def read_text(parts: Sequence[TextPart], data_coding: int) -> Readings:
    """Return the text in the segments of one message, in their order."""
    octets = b"".join(part.octets for part in parts)
    named = named_coding(data_coding)
    if not octets:
        return Readings("")
    if any(part.locking or part.single for part in parts):  # only GSM 7-bit has such tables
        return _read_gsm7(parts, octets)
    for mark, codec in BYTE_ORDER_MARKS.items():
        if octets.startswith(mark) and (text := _decode_strictly(octets[len(mark) :], codec)):
            return Readings(text)
    if _is_plain_ascii(octets) and named is not InboundCoding.UTF16_BE:
        return _read_ascii(parts, octets, named)
    return _read_by_rating(parts, octets, named)


def _read_gsm7(parts: Sequence[TextPart], octets: bytes) -> Readings:
    """Return the text in GSM 7-bit: packed, if it cannot be one septet an octet."""
    packed = _decode(parts, octets, InboundCoding.GSM7_PACKED) or ""
    if max(octets) > DELETE:
        return Readings(packed)
    return Readings(_unpacked(parts), (packed,) if is_typed(packed) else ())


def _read_ascii(parts: Sequence[TextPart], octets: bytes, named: InboundCoding | None) -> Readings:
    """Return octets that are all ASCII as such, beside Chinese if they make frequent characters."""
    text = _unpacked(parts) if named is InboundCoding.GSM7 else octets.decode("ascii")
    return Readings(text, tuple(filter(_is_frequent_chinese, _utf16_readings(octets))))


def _utf16_readings(octets: bytes) -> list[str]:
    readings = (_decode_strictly(octets, coding.value) for coding in sorted(UTF16_CODINGS))
    return [text for text in readings if text]


def _is_frequent_chinese(text: str) -> bool:
    return len(text) > 1 and all(map(is_frequent, text))


def _read_by_rating(
    parts: Sequence[TextPart], octets: bytes, named: InboundCoding | None
) -> Readings:
    rated = _rated(parts, octets, named)
    if not rated:
        text = _decode_loosely(parts, octets, named or InboundCoding.UTF8)
        return Readings(text, is_readable=False)
    text = rated[0][1]
    if named is InboundCoding.UTF16_BE and is_likely_answer(text):
        return Readings(text)
    others = [
        other for rating, other in rated[1:]
        if rating >= MIN_RATING and other != text and is_typed(other)
    ]  # fmt: skip
    return Readings(text, tuple(dict.fromkeys(others))[:MAX_ALTERNATIVES])


def named_coding(data_coding: int) -> InboundCoding | None:
    """Return the coding that a data_coding names; None if it names octets, or nothing."""
    if data_coding <= SMPP_LAST:
        return SMPP_CODINGS.get(data_coding)
    group = data_coding & GROUP_MASK
    if group <= MARKED_FOR_DELETION:  # general group, and the same marked for deletion
        return GSM_ALPHABETS.get(data_coding >> ALPHABET_SHIFT & ALPHABET_MASK)
    if group in {WAITING_DISCARD, WAITING_STORE}:
        return InboundCoding.GSM7
    if group == WAITING_UCS2:
        return InboundCoding.UTF16_BE
    if group == CLASS_GROUP:
        return None if data_coding & CLASS_8BIT else InboundCoding.GSM7
    return None


def _is_plain_ascii(octets: bytes) -> bool:
    return all(CONTROL_BELOW <= octet < DELETE or octet in LINE_BREAKS for octet in octets)


def _rated(
    parts: Sequence[TextPart], octets: bytes, named: InboundCoding | None
) -> list[tuple[float, str]]:
    """Return the readings that are possible at all, the best first, each with its rating."""
    codings = dict.fromkeys([*([named] if named else []), *BY_EVIDENCE, InboundCoding.GSM7])
    rated: list[tuple[float, str]] = []
    for coding in codings:
        text = _decode(parts, octets, coding)
        if text and (rating := rate(text)) > 0:
            rated.append((rating + _evidence(octets, coding, named), text))
    return sorted(rated, key=lambda each: -each[0])  # stable: equals stay in the order of codings


def _evidence(octets: bytes, coding: InboundCoding, named: InboundCoding | None) -> float:
    """Return what speaks for a coding beside its text: its name, or the pattern of its octets."""
    if coding is named:
        return ADVANTAGE
    if coding is InboundCoding.UTF8:  # other text is hardly ever valid in it
        return 0.0 if octets.isascii() else UTF8_ADVANTAGE
    if coding in GSM_CODINGS:  # nearly any octets are valid
        return 0.0 if named in GSM_CODINGS else -ADVANTAGE
    if coding in UTF16_CODINGS and named not in UTF16_CODINGS:
        ascii_share = sum(CONTROL_BELOW <= octet < DELETE for octet in octets) / len(octets)
        return -ADVANTAGE if ascii_share > MAX_ASCII_SHARE else 0.0
    return 0.0


def _decode(parts: Sequence[TextPart], octets: bytes, coding: InboundCoding) -> str | None:
    """Return the text in one coding; None if the octets are not valid in it."""
    if coding is InboundCoding.GSM7_PACKED:
        return "".join(
            decode_septets(
                unpack_septets(part.octets, part.header_octets),
                locking=part.locking, single=part.single,
            )
            for part in parts
        )  # fmt: skip
    if coding is InboundCoding.GSM7:
        text = _unpacked(parts)
        return None if "\ufffd" in text else text
    if coding in UTF16_CODINGS and len(octets) % 2:
        octets = octets[:-1] if octets.endswith(b"\0") else octets
    return _decode_strictly(octets, coding.value)


def _decode_strictly(octets: bytes, codec: str) -> str | None:
    try:
        return octets.decode(codec).rstrip("\0")  # some gateways send the octet that ends C strings
    except UnicodeError:
        return None


def _decode_loosely(parts: Sequence[TextPart], octets: bytes, coding: InboundCoding) -> str:
    if coding in GSM_CODINGS:
        return _unpacked(parts)
    return octets.decode(coding.value, errors="replace")


def _unpacked(parts: Sequence[TextPart]) -> str:
    return "".join(
        decode_septets(part.octets, locking=part.locking, single=part.single) for part in parts
    )
