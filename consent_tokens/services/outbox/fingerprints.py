"""Fingerprints of texts that left: the same from our side of a message and from the consumer's."""

from consent_tokens.app_context import World
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.crypto.keyed_hashes import fingerprint


def print_of(world: World, number: PhoneNumber, source: str, essence: str) -> bytes:
    """Return the fingerprint of a text, by its essence, to a number from a sender."""
    return fingerprint(number.reveal(), source, essence, world.keyring.index)
