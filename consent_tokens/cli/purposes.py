"""Purposes that commands are given by name."""

from consent_tokens.consent.purposes import Purpose
from consent_tokens.errors import InvalidError


def find_purpose(name: str) -> Purpose:
    """Return a purpose of the catalogue, which is read with the settings. Raises InvalidError."""
    try:
        return Purpose(name)
    except ValueError:
        raise InvalidError({"purpose": ["must be a purpose of the catalogue"]}) from None
