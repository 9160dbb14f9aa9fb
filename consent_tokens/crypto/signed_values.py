"""What a browser is handed and hands back: signed by itsdangerous, one salt a use.

itsdangerous defaults to SHA-1; here it is SHA-256 with HMAC derivation, and a list of keys so
that the session key can rotate.
"""

from hashlib import sha256
from typing import Final

from itsdangerous import BadData, URLSafeTimedSerializer

from consent_tokens.crypto.keyring import Keyring

SIGNER: Final[dict[str, object]] = {"digest_method": sha256, "key_derivation": "hmac"}


def serializer(keyring: Keyring, use: str) -> URLSafeTimedSerializer:
    """Return the serializer for one use; what it signs is refused for every other."""
    return URLSafeTimedSerializer(
        list(keyring.session), salt=f"consent-tokens {use}", signer_kwargs=dict(SIGNER)
    )


def sign_value(keyring: Keyring, use: str, value: str) -> str:
    """Return `value`, signed and dated."""
    text: str | bytes = serializer(keyring, use).dumps(value)
    return text if isinstance(text, str) else text.decode("ascii")


def open_value(keyring: Keyring, use: str, text: str, *, max_age_seconds: int) -> str | None:
    """Return the value that was signed; None if it was not, or too long ago."""
    try:
        value = serializer(keyring, use).loads(text, max_age=max_age_seconds)
    except BadData:
        return None
    return value if isinstance(value, str) else None
