"""Signed values for browsers (cookies, forms, links), by itsdangerous, with one salt for each use.

itsdangerous defaults to SHA-1; here it uses SHA-256 with HMAC key derivation. It accepts a list of
keys, so that the session key can be rotated.
"""

from hashlib import sha256
from typing import Any, Final

from itsdangerous import BadData, URLSafeTimedSerializer

from consent_tokens.crypto.keyring import Keyring

SIGNER: Final[dict[str, object]] = {"digest_method": sha256, "key_derivation": "hmac"}


def serializer(keyring: Keyring, use: str, encoder: Any = None) -> URLSafeTimedSerializer:  # noqa: ANN401 - what itsdangerous takes: an object with dumps and loads
    """Return the serializer for one use; a value signed for another use is invalid.

    `encoder` encodes the values; by default to JSON.
    """
    return URLSafeTimedSerializer(
        list(keyring.session),
        salt=f"consent-tokens {use}",
        serializer=encoder,
        signer_kwargs=dict(SIGNER),
    )


def sign_value(keyring: Keyring, use: str, value: str) -> str:
    """Return `value` with a timestamp and a signature."""
    text: str | bytes = serializer(keyring, use).dumps(value)
    return text if isinstance(text, str) else text.decode("ascii")


def open_value(keyring: Keyring, use: str, text: str, *, max_age_seconds: int) -> str | None:
    """Return the signed value; None if the signature is invalid or too old."""
    try:
        value = serializer(keyring, use).loads(text, max_age=max_age_seconds)
    except BadData:
        return None
    return value if isinstance(value, str) else None
