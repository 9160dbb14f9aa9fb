"""base64url without padding, canonical only (RFC 7515, 2; RFC 4648, 3.5)."""

import binascii
from typing import Final

TO_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")
URLSAFE: Final = bytes.maketrans(b"-_+/=", b"+/\0\0\0")  # +, / and padding are refused
PADDING: Final = (b"", None, b"==", b"=")  # by how many letters are left over; one never is
# The last of two or three letters carries four or two bits of nothing: zeros in canonical text.
LAST: Final = (None, None, frozenset("AQgw"), frozenset("AEIMQUYcgkosw048"))


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    letters = binascii.b2a_base64(data, newline=False).translate(TO_URLSAFE)
    return letters.rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes, taking canonical text only. Raises ValueError."""
    left = len(text) % 4
    padding, last = PADDING[left], LAST[left]
    if padding is None or (last is not None and text[-1] not in last):
        raise ValueError("not canonical base64url")
    try:
        letters = text.encode("ascii").translate(URLSAFE) + padding
        return binascii.a2b_base64(letters, strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error
