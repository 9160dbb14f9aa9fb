"""Randomness. The only module that draws it; everything else is handed the bytes."""

import secrets
from typing import Protocol


class RandomSource(Protocol):
    """Draws what nobody can predict."""

    def token_bytes(self, size: int) -> bytes:
        """Return `size` fresh bytes."""

    def randbelow(self, bound: int) -> int:
        """Return a number from 0 to `bound` - 1, each as likely as the others."""


class SystemRandomSource:
    """The operating system's generator, safe across forks."""

    def token_bytes(self, size: int) -> bytes:
        """Return `size` bytes of `secrets.token_bytes`."""
        return secrets.token_bytes(size)

    def randbelow(self, bound: int) -> int:
        """Return `secrets.randbelow(bound)`: no modulo bias."""
        return secrets.randbelow(bound)
