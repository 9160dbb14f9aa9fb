"""base64url without padding, canonical only (RFC 7515, 2; RFC 4648, 3.5)."""

import base64
import binascii


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes, taking canonical text only. Raises ValueError."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as fault:
        raise ValueError("not base64url") from fault
    if encode(data) != text:
        raise ValueError("not canonical base64url")
    return data
