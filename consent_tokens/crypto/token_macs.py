"""Keyed MACs of tokens: by one, this service knows a token again that it has verified or minted.

HMAC-SHA256 (RFC 2104) under a key of its own, over the grant's row key and the whole token, header
and signature with it. It costs a fortieth of an Ed25519 verification.
"""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, Self

from msgspec import Struct

from consent_tokens.crypto.keys import KID_BYTES, TokenMacKey
from consent_tokens.crypto.opaque_ids import ROW_KEY_STRUCT
from consent_tokens.row_key import RowKey

DIGEST_BYTES: Final = 8  # of SHA-256: which token the MAC is of, if its key is gone
MAC_BYTES: Final = 32
STORED_BYTES: Final = KID_BYTES + DIGEST_BYTES + MAC_BYTES


class TokenMac(Struct, frozen=True):
    """The MAC of a token for one grant, as it is stored beside the grant."""

    kid: bytes  # of the key
    digest: bytes  # the beginning of the token's SHA-256
    mac: bytes

    @classmethod
    def of(cls, token: str, grant: RowKey, key: TokenMacKey) -> Self:
        """Return the MAC of a token of ASCII characters."""
        return cls(key.kid, _digest(token), _mac(token, grant, key))

    @classmethod
    def parse(cls, stored: bytes) -> Self | None:
        """Return the MAC in stored bytes; None if it is not one."""
        if len(stored) != STORED_BYTES:
            return None
        digest_end = KID_BYTES + DIGEST_BYTES
        return cls(stored[:KID_BYTES], stored[KID_BYTES:digest_end], stored[digest_end:])

    def to_bytes(self) -> bytes:
        """Return what is stored: key id, digest and MAC."""
        return self.kid + self.digest + self.mac

    def matches(self, token: str, grant: RowKey, keys: Mapping[bytes, TokenMacKey]) -> bool:
        """Whether it is the MAC of this token for this grant, under one of `keys`."""
        key = keys.get(self.kid)
        return key is not None and hmac.compare_digest(self.mac, _mac(token, grant, key))

    def names(self, token: str) -> bool:
        """Whether it says that it is of this token. Without its key, that proves nothing."""
        return self.digest == _digest(token)


class KnownTokens:
    """The MACs of many tokens under one key, which is set up once for all of them (RFC 2104, 4)."""

    def __init__(self, key: TokenMacKey) -> None:
        self._kid = key.kid
        self._keyed = hmac.new(key.secret, digestmod="sha256")

    def has(self, token: str, grant: RowKey, stored: bytes) -> bool:
        """Whether stored bytes are the MAC of this token for this grant, under this key."""
        if len(stored) != STORED_BYTES or not stored.startswith(self._kid):
            return False
        mac = self._keyed.copy()
        mac.update(_message(token, grant))
        return hmac.compare_digest(stored[-MAC_BYTES:], mac.digest())


def _mac(token: str, grant: RowKey, key: TokenMacKey) -> bytes:
    return hmac.digest(key.secret, _message(token, grant), "sha256")


def _message(token: str, grant: RowKey) -> bytes:
    return ROW_KEY_STRUCT.pack(*grant) + token.encode("ascii")


def _digest(token: str) -> bytes:
    return sha256(token.encode("ascii")).digest()[:DIGEST_BYTES]
