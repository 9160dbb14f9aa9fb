"""Decodes GSM 7-bit text, packed or one septet an octet (3GPP TS 23.038, 6.1.2.1 and 6.2.1)."""

from collections.abc import Iterable
from typing import Final

from consent_tokens.gateways.gsm7_tables import LOCKING_SHIFT_TABLES, SINGLE_SHIFT_TABLES
from consent_tokens.relay.composition import ESCAPE, GSM_BASIC

SEPTET_BITS, OCTET_BITS, SEPTET = 7, 8, 0x7F
CARRIAGE_RETURN: Final = 0x0D  # fills up seven spare bits (TS 23.038, 6.1.2.3.1)


def decode_septets(septets: Iterable[int], *, locking: int = 0, single: int = 0) -> str:
    """Return the text of septets; `locking` and `single` identify national language tables.

    A table that does not exist is the default one. Codes above 127 become U+FFFD; an escaped code
    that its table lacks is shown as the code of the main table (TS 23.038, 6.2.1.1).
    """
    table = LOCKING_SHIFT_TABLES.get(locking, GSM_BASIC)
    shifted = SINGLE_SHIFT_TABLES.get(single, SINGLE_SHIFT_TABLES[0])
    letters: list[str] = []
    is_escaped = False
    for code in septets:
        if code > SEPTET:
            letters.append("\ufffd")
        elif is_escaped:
            letters.append(table[code] if shifted[code] == " " else shifted[code])
        elif code != ESCAPE:
            letters.append(table[code])
        is_escaped = code == ESCAPE and not is_escaped
    return "".join(letters).replace("\x1b", " ")


def unpack_septets(octets: bytes, header_octets: int = 0) -> list[int]:
    """Return the septets of packed octets, which follow a header of `header_octets` octets.

    The text begins at a septet boundary, counted from the beginning of the header. Seven spare bits
    at the end, zero or a carriage return, are no character.
    """
    skipped = -header_octets * OCTET_BITS % SEPTET_BITS
    bits = int.from_bytes(octets, "little") >> skipped
    count = (len(octets) * OCTET_BITS - skipped) // SEPTET_BITS
    septets = [bits >> SEPTET_BITS * place & SEPTET for place in range(count)]
    has_spare_septet = (len(octets) * OCTET_BITS - skipped) % SEPTET_BITS == 0
    if septets and has_spare_septet and septets[-1] in {0, CARRIAGE_RETURN}:
        septets.pop()
    return septets
