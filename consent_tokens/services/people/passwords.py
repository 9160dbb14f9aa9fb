"""Passwords: hashed with argon2id (RFC 9106), long, and not among the common ones.

NIST SP 800-63B-4, 3.1.1: a password beside a second factor may have fewer than 15 characters; no
rules of composition, no expiry; compared with a list of common and expected passwords.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

MIN_LENGTH: Final = 12  # characters; a second factor is always asked for
MAX_LENGTH: Final = 200  # characters
SALT_BYTES: Final = 16
# zxcvbn knows 30,000 common passwords, names and words, keyboard rows and dates; below 3 of 4 it
# counts fewer than 10^8 guesses
MIN_SCORE: Final = 3
ESTIMATED_LENGTH: Final = 72  # characters that zxcvbn looks at
# one of OWASP's choices of equal strength that needs little memory: 19 MiB for each attempt
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def password_errors(password: str, expected: Iterable[str]) -> list[str]:
    """Return what is wrong with a new password, as codes.

    `expected` is what an attacker would try first: the names of the person and of the service.
    """
    if len(password) < MIN_LENGTH:
        return ["too_short"]
    if len(password) > MAX_LENGTH:
        return ["too_long"]
    estimate = zxcvbn(password[:ESTIMATED_LENGTH], [each for each in expected if each])
    return ["too_common"] if estimate["score"] < MIN_SCORE else []


def hash_password(password: str, salt: bytes) -> str:
    """Return the argon2id hash of a password, with its salt and parameters."""
    return _HASHER.hash(_normalized(password), salt=salt)


def is_password(stored: str | None, password: str) -> bool:
    """Whether a password is the one that was hashed; takes as long where nothing is stored."""
    try:
        _HASHER.verify(stored or _hash_of_nobody(), _normalized(password[: MAX_LENGTH + 1]))
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def _normalized(password: str) -> bytes:
    """Return the octets that are hashed: a password is the same however a keyboard composes it."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


@cache
def _hash_of_nobody() -> str:
    """Return a hash with today's parameters, to compare with where there is no account."""
    return hash_password("nobody's", bytes(SALT_BYTES))
