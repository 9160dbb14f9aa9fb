"""Message ids of an SMSC, in one form, whatever form a response or a report writes them in."""

from enum import IntEnum


class IdBase(IntEnum):
    """How the ids of a carrier's PDUs are written, if not as plain text."""

    TEXT = 0
    DECIMAL = 10
    HEXADECIMAL = 16


def comparable_id(text: str, base: IdBase = IdBase.TEXT) -> str | None:
    """Return an id that is equal for equal ids: without case, blanks and leading zeros.

    With a `base` it is the decimal number, if the id is one in that base. None if it is empty.
    """
    plain = text.strip(" \t\r\n\0\"'").casefold()
    if base is not IdBase.TEXT and plain.isascii() and plain.isalnum():
        try:
            return str(int(plain, base))
        except ValueError:
            pass  # not a number in that base: compared as text
    return (plain.lstrip("0") or "0") if plain else None
