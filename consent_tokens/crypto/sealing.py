"""The sealed box: AES-256-GCM (NIST SP 800-38D) under a key made for one owner.

    box      = nonce (12 bytes) || ciphertext || tag (16 bytes)
    wrapped  = kid of the wrapping key (8 bytes) || AES key wrap (RFC 3394; 40 bytes)
    envelope = wrapped || box

A key seals a handful of boxes in its life, so random nonces are far inside the limit of 2^32
messages a key (SP 800-38D, 8.3).
"""

from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from consent_tokens.crypto.keys import KID_BYTES, GrantKey, WrappingKey
from consent_tokens.errors import KeyUnavailableError, SealBrokenError

NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
WRAPPED_BYTES: Final = KID_BYTES + 40

WrappingKeys = Mapping[bytes, WrappingKey]


def seal(plaintext: bytes, key: GrantKey, *, associated_data: bytes, nonce: bytes) -> bytes:
    """Return a box that opens only with `key`, and only for what it is bound to.

    `nonce` is 12 fresh random bytes; it is an argument so that the test vectors can fix it.
    """
    return nonce + AESGCM(key.secret).encrypt(nonce, plaintext, associated_data)


def open_sealed(box: bytes, key: GrantKey, *, associated_data: bytes) -> bytes:
    """Return what was sealed. Raises SealBrokenError, without saying why, in every other case."""
    try:
        return AESGCM(key.secret).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], associated_data)
    except (InvalidTag, ValueError) as fault:
        raise SealBrokenError from fault


def wrap(key: GrantKey, under: WrappingKey) -> bytes:
    """Return a key in the form in which it may lie in the database."""
    return under.kid + aes_key_wrap(under.secret, key.secret)


def unwrap(wrapped: bytes, keys: WrappingKeys) -> GrantKey:
    """Return the key again.

    Raises KeyUnavailableError if its wrapping key is not held, SealBrokenError if it was touched.
    """
    under = keys.get(wrapped[:KID_BYTES])
    if under is None:
        raise KeyUnavailableError("no wrapping key of that name is held")
    try:
        return GrantKey(aes_key_unwrap(under.secret, wrapped[KID_BYTES:]))
    except (InvalidUnwrap, ValueError) as fault:
        raise SealBrokenError from fault


def seal_envelope(
    plaintext: bytes, key: GrantKey, under: WrappingKey, *, associated_data: bytes, nonce: bytes
) -> bytes:
    """Return an envelope: a box together with its own key, wrapped."""
    return wrap(key, under) + seal(plaintext, key, associated_data=associated_data, nonce=nonce)


def open_envelope(envelope: bytes, keys: WrappingKeys, *, associated_data: bytes) -> bytes:
    """Return what was enclosed. Raises as `unwrap` and `unseal` do."""
    key = unwrap(envelope[:WRAPPED_BYTES], keys)
    return open_sealed(envelope[WRAPPED_BYTES:], key, associated_data=associated_data)
