"""Compact JWS (RFC 7515) with Ed25519 (RFC 8037) only.

A header is not parsed but compared, byte for byte, with those that this service issues. That rules
out algorithm confusion and key injection (RFC 8725, 3.1, 3.10, 3.11).
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from msgspec import Struct

from consent_tokens.crypto.encoding import decode, encode
from consent_tokens.crypto.keys import SigningKey, VerifyingKey
from consent_tokens.errors import TokenMalformedError, TokenSignatureError

MAX_TOKEN_LENGTH: Final = 4096  # characters
COMPACT = re.compile(  # the signature of Ed25519 is 64 bytes: 86 characters
    r"(?P<signed>(?P<head>[A-Za-z0-9_-]{1,256})\.(?P<body>[A-Za-z0-9_-]{1,3700}))"
    r"\.(?P<signature>[A-Za-z0-9_-]{86})"
)


TOKEN_TYPE, RECEIPT_TYPE = "consent+jwt", "consent-receipt+jwt"


def header(kid: str, type_: str = TOKEN_TYPE) -> str:
    """Return the one header that the service issues for a key and a type of JWS, encoded."""
    fields = {"alg": "EdDSA", "typ": type_, "kid": kid}
    return encode(json.dumps(fields, separators=(",", ":")).encode("ascii"))


def sign(payload: bytes, key: SigningKey, type_: str = TOKEN_TYPE) -> str:
    """Return the compact form of a signed payload."""
    signed = f"{header(key.kid, type_)}.{encode(payload)}"
    return f"{signed}.{encode(key.private.sign(signed.encode('ascii')))}"


class UnverifiedJws(Struct, frozen=True):
    """A JWS of the right form. Nobody has checked who signed it."""

    header: str  # encoded, as are the next two
    signed: str
    signature: str
    payload: bytes

    def verify(self, key: VerifyingKey) -> None:
        """Raise TokenMalformedError for a signature that is not base64url, or TokenSignatureError.

        The signature check releases the interpreter lock, so threads verify in parallel.
        """
        try:
            signature = decode(self.signature)
        except ValueError as error:
            raise TokenMalformedError from error
        check_signature(signature, self.signed.encode("ascii"), key)


def parse(compact: str) -> UnverifiedJws:
    """Return a JWS in its parts, not verified. Raises TokenMalformedError."""
    parts = COMPACT.fullmatch(compact) if len(compact) <= MAX_TOKEN_LENGTH else None
    if parts is None:
        raise TokenMalformedError
    signed, head, body, signature = parts.groups()
    try:
        return UnverifiedJws(head, signed, signature, decode(body))
    except ValueError as error:
        raise TokenMalformedError from error


def verify(compact: str, keys: Mapping[str, VerifyingKey]) -> bytes:
    """Return the payload of a JWS that was signed with one of `keys`, a mapping from headers.

    Raises TokenMalformedError, for a header that is none of them before any cryptography, or
    TokenSignatureError.
    """
    found = parse(compact)
    key = keys.get(found.header)
    if key is None:
        raise TokenMalformedError
    found.verify(key)
    return found.payload


def check_signature(signature: bytes, signed: bytes, key: VerifyingKey) -> None:
    """Raise TokenSignatureError unless `key` made the signature (RFC 8032, 5.1.7)."""
    try:
        key.public.verify(signature, signed)
    except InvalidSignature as error:
        raise TokenSignatureError from error


def payload_of(compact: str) -> bytes:
    """Return the payload of a JWS that this service signed and stored, without verifying it."""
    return decode(compact.split(".")[1])
