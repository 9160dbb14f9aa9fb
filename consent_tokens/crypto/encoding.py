"""base64url without padding, canonical text only (RFC 7515, section 2; RFC 4648, section 3.5)."""

import binascii
from typing import Final

TO_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")
URLSAFE: Final = bytes.maketrans(b"-_+/=", b"+/\0\0\0")  # +, / and padding are refused
PADDING: Final = (b"", None, b"==", b"=")  # by length modulo 4; a remainder of 1 is invalid
# The last of two or three left-over letters has four or two unused bits: zeros in canonical text.
LAST_LETTERS: Final = (None, None, frozenset("AQgw"), frozenset("AEIMQUYcgkosw048"))


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    letters = binascii.b2a_base64(data, newline=False).translate(TO_URLSAFE)
    return letters.rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes of canonical text. Raises ValueError for any other text."""
    remainder = len(text) % 4
    padding, last_letters = PADDING[remainder], LAST_LETTERS[remainder]
    if padding is None or (last_letters is not None and text[-1] not in last_letters):
        raise ValueError("not canonical base64url")
    try:
        letters = text.encode("ascii").translate(URLSAFE) + padding
        return binascii.a2b_base64(letters, strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error
