"""Mints tokens, and seals and opens the phone number inside."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.scope import SMS
from consent_tokens.crypto import jws
from consent_tokens.crypto.keys import GrantKey, SigningKey
from consent_tokens.crypto.sealing import open_sealed, seal
from consent_tokens.tokens.claims import Claims

NUMBER_BYTES: Final = (
    16  # "+" and up to 15 digits (E.164), padded so that the length reveals nothing
)


class Binding(Struct, frozen=True):
    """What a sealed number is bound to: it opens for this issuer, grant and merchant only."""

    issuer: str
    jti: str
    merchant_id: str

    def to_bytes(self) -> bytes:
        """Return the associated data; none of the three can contain a line break."""
        return f"{self.issuer}\n{self.jti}\n{self.merchant_id}".encode()


def seal_number(number: PhoneNumber, key: GrantKey, binding: Binding, nonce: bytes) -> bytes:
    """Return a sealed number: 44 bytes. `nonce` is 12 fresh random bytes."""
    return seal(pad_number(number), key, associated_data=binding.to_bytes(), nonce=nonce)


def open_number(sealed_number: bytes, key: GrantKey, binding: Binding) -> PhoneNumber:
    """Return the number in a sealed number. Raises SealBrokenError."""
    plaintext = open_sealed(sealed_number, key, associated_data=binding.to_bytes())
    return unpad_number(plaintext)


def pad_number(number: PhoneNumber) -> bytes:
    """Return a number padded with spaces to 16 bytes."""
    return number.reveal().encode("ascii").ljust(NUMBER_BYTES)


def unpad_number(padded: bytes) -> PhoneNumber:
    """Return the number that `pad_number` padded."""
    return PhoneNumber(padded.decode("ascii").rstrip())


def mint(
    grant: Grant,
    binding: Binding,
    *,
    sealed_number: bytes,
    notice: bytes,
    now: datetime,
    key: SigningKey,
) -> str:
    """Return the consent token of a grant; `notice` is the SHA-256 of the notice shown."""
    claims = Claims(
        issuer=binding.issuer,
        merchant_id=binding.merchant_id,
        jti=binding.jti,
        issued_at=now,
        scope=grant.scope,
        channels=(SMS,),
        notice=notice,
        sealed_number=sealed_number,
    )
    return jws.sign(claims.to_json(), key)
