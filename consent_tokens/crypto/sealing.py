"""Sealing: AES-256-GCM (NIST SP 800-38D) under a data key created for one row, or for a few.

    sealed   = nonce (12 bytes) || ciphertext || tag (16 bytes)
    wrapped  = kid of the wrapping key (8 bytes) || AES key wrap (RFC 3394; 40 bytes)
    envelope = wrapped || sealed

A data key seals few values, so random nonces stay far below the limit of 2^32 invocations a key
(SP 800-38D, 8.3).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from consent_tokens.crypto.keys import KEY_BYTES, KID_BYTES, DataKey, WrappingKey
from consent_tokens.errors import KeyUnavailableError, SealBrokenError

NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
WRAPPED_BYTES: Final = KID_BYTES + 40

WrappingKeys = Mapping[bytes, WrappingKey]
TokenBytes = Callable[[int], bytes]  # returns that many random bytes
Key = TypeVar("Key", bound=DataKey)


def seal(plaintext: bytes, key: DataKey, *, associated_data: bytes, nonce: bytes) -> bytes:
    """Return the sealed form, which opens only with `key` and the same associated data.

    `nonce` is 12 fresh random bytes; it is an argument so that test vectors can fix it.
    """
    return nonce + AESGCM(key.secret).encrypt(nonce, plaintext, associated_data)


def open_sealed(sealed: bytes, key: DataKey, *, associated_data: bytes) -> bytes:
    """Return the plaintext. Raises SealBrokenError, without a reason, if it cannot be opened."""
    try:
        return AESGCM(key.secret).decrypt(
            sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated_data
        )
    except (InvalidTag, ValueError) as error:
        raise SealBrokenError from error


def wrap(key: DataKey, under: WrappingKey) -> bytes:
    """Return a data key in the form in which it may be stored in the database."""
    return under.kid + aes_key_wrap(under.secret, key.secret)


def unwrap(wrapped: bytes, keys: WrappingKeys, kind: type[Key]) -> Key:
    """Return a wrapped data key, as a GrantKey or DataKey.

    Raises KeyUnavailableError if its wrapping key is missing, SealBrokenError if it was altered.
    """
    under = keys.get(wrapped[:KID_BYTES])
    if under is None:
        raise KeyUnavailableError("there is no wrapping key with that id")
    try:
        return kind(aes_key_unwrap(under.secret, wrapped[KID_BYTES:]))
    except (InvalidUnwrap, ValueError) as error:
        raise SealBrokenError from error


def seal_envelope(
    plaintext: bytes, under: WrappingKey, *, associated_data: bytes, token_bytes: TokenBytes
) -> bytes:
    """Return an envelope: a sealed value together with its own fresh data key, wrapped."""
    return seal_envelopes([(plaintext, associated_data)], under, token_bytes)[0]


def seal_envelopes(
    values: Sequence[tuple[bytes, bytes]], under: WrappingKey, token_bytes: TokenBytes
) -> list[bytes]:
    """Return envelopes of plaintexts, each with its associated data, under one fresh data key.

    Wrapping a key takes longer than sealing a short value.
    """
    key = DataKey(token_bytes(KEY_BYTES))
    wrapped, cipher = wrap(key, under), AESGCM(key.secret)
    nonces = [token_bytes(NONCE_BYTES) for _ in values]
    return [
        wrapped + nonce + cipher.encrypt(nonce, plaintext, associated_data)
        for nonce, (plaintext, associated_data) in zip(nonces, values, strict=True)
    ]


def open_envelope(envelope: bytes, keys: WrappingKeys, *, associated_data: bytes) -> bytes:
    """Return what an envelope holds. Raises as `unwrap` and `open_sealed` do."""
    key = unwrap(envelope[:WRAPPED_BYTES], keys, DataKey)
    return open_sealed(envelope[WRAPPED_BYTES:], key, associated_data=associated_data)
