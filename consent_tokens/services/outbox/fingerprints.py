"""Fingerprints of texts that left: the same from our side of a message and from the consumer's."""

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.keyed_hashes import fingerprint
from consent_tokens.services.runtime import Runtime


def fingerprint_of(
    runtime: Runtime, number: PhoneNumber, source: str, comparable_text: str
) -> bytes:
    """Return the fingerprint of a text, by its essence, to a number from a sender."""
    return fingerprint(number.reveal(), source, comparable_text, runtime.keyring.index)
