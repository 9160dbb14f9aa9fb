"""Randomness. The only module that generates it; other code gets it as an argument."""

import secrets
from typing import Protocol


class RandomSource(Protocol):
    """A source of cryptographically secure random values."""

    def token_bytes(self, size: int) -> bytes:
        """Return `size` random bytes."""

    def randbelow(self, bound: int) -> int:
        """Return a number from 0 to `bound` - 1, uniformly distributed."""


class SystemRandomSource:
    """The generator of the operating system."""

    def token_bytes(self, size: int) -> bytes:
        """Return `size` bytes of `secrets.token_bytes`."""
        return secrets.token_bytes(size)

    def randbelow(self, bound: int) -> int:
        """Return `secrets.randbelow(bound)`, which has no modulo bias."""
        return secrets.randbelow(bound)
