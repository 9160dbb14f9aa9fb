"""Fingerprints of sent texts, by which a pasted text is matched with the message that it was."""

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.keyed_hashes import fingerprint
from consent_tokens.services.runtime import Runtime


def fingerprint_of(
    runtime: Runtime, number: PhoneNumber, source: str, comparable_text: str
) -> bytes:
    """Return the keyed hash of a number, a sender's source address and a normalized text."""
    return fingerprint(number.reveal(), source, comparable_text, runtime.keys.keyring.index)
