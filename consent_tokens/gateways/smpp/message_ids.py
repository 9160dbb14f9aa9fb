"""Message ids of an SMSC, in one form, whatever form a response or a report writes them in."""

import re
from enum import IntEnum
from typing import Final


class IdBase(IntEnum):
    """How the ids of a carrier's PDUs are written, if not as plain text."""

    TEXT = 0
    DECIMAL = 10
    HEXADECIMAL = 16


DIGITS: Final = {
    IdBase.DECIMAL: re.compile("[0-9]{1,64}"),
    IdBase.HEXADECIMAL: re.compile("[0-9a-f]{1,64}"),
}


def comparable_id(text: str, base: IdBase = IdBase.TEXT) -> str | None:
    """Return an id that is equal for equal ids: without case, blanks and leading zeros.

    With a `base` it is the decimal number, if the id is one in that base. None if it is empty.
    """
    plain = text.strip(" \t\r\n\0\"'").casefold()
    if base in DIGITS and DIGITS[base].fullmatch(plain):
        return str(int(plain, base))
    return (plain.lstrip("0") or "0") if plain else None
