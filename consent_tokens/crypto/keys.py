"""Key types, one for each use, so that no key serves two uses. None prints its secret."""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_BYTES: Final = 32  # AES-256, HMAC-SHA256 and the seed of Ed25519 alike
KID_BYTES: Final = 8


def derive_key(secret: bytes, label: str) -> bytes:
    """Return the sub-key of `secret` for one use (HKDF-Expand, RFC 5869, 2.3, one block)."""
    return hmac.digest(secret, label.encode("ascii") + b"\x01", "sha256")


@dataclass(frozen=True, slots=True)
class _Secret:
    """A key of 32 bytes; its repr leaves them out."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ValueError(f"a key is {KEY_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Ed25519 (RFC 8032): signs tokens and receipts. `kid` is its RFC 7638 thumbprint."""

    kid: str
    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Return the key of a 32-byte seed (RFC 8032, 5.1.5). Raises ValueError."""
        private = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(thumbprint(private.public_key()), private)

    @property
    def verifying(self) -> "VerifyingKey":
        """Return the public key."""
        return VerifyingKey(self.kid, self.private.public_key())


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """The public key of a signing key."""

    kid: str
    public: Ed25519PublicKey = field(repr=False)

    @property
    def x(self) -> str:
        """Return the public key as a JWK carries it (RFC 8037, 2)."""
        return _x(self.public)


def _x(public: Ed25519PublicKey) -> str:
    return urlsafe_b64encode(public.public_bytes_raw()).rstrip(b"=").decode("ascii")


def thumbprint(public: Ed25519PublicKey) -> str:
    """Return the RFC 7638 thumbprint of a public key (members of RFC 8037, 2)."""
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{_x(public)}"}}'
    return urlsafe_b64encode(sha256(members.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


class DataKey(_Secret):
    """AES-256, created for one row (service message, challenge) or the envelopes of a transaction.

    It is deleted with them.
    """


class GrantKey(DataKey):
    """The data key of one grant. Deleting it makes a revocation final."""


class WrappingKey(_Secret):
    """AES-256, wraps the data keys that are stored in the database (RFC 3394)."""

    @property
    def kid(self) -> bytes:
        """Return eight bytes that identify the key without revealing it."""
        return derive_key(self.secret, "kid")[:KID_BYTES]


class SessionKey(_Secret):
    """HMAC-SHA256: signs cookies and values that a browser sends back (itsdangerous)."""

    @property
    def kid(self) -> str:
        """Return 16 hex digits that identify the key without revealing it."""
        return derive_key(self.secret, "kid")[:KID_BYTES].hex()


class TokenMacKey(_Secret):
    """HMAC-SHA256: the MAC by which this service knows the newest token of a grant again."""

    @property
    def kid(self) -> bytes:
        """Return eight bytes that identify the key without revealing it."""
        return derive_key(self.secret, "kid")[:KID_BYTES]


class IdKey(_Secret):
    """AES-256, encrypts row keys to opaque ids."""


class IndexKey(_Secret):
    """HMAC-SHA256: blind indexes, hashes of one-time codes, keys of rate limits, fingerprints."""


class JournalKey(_Secret):
    """HMAC-SHA256: the tags by which the revocation journal names a recipient."""

    @property
    def kid(self) -> str:
        """Return 16 hex digits that identify the key without revealing it."""
        return derive_key(self.secret, "kid")[:KID_BYTES].hex()
