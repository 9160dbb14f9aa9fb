"""One-time codes: format, lifetime and attempts (NIST SP 800-63B-4, 3.1.3.2).

A code is six random decimal digits, valid once, for five minutes and five attempts. Failed attempts
also count by phone number, over all its codes: ten a day.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.policies import RateLimit

CODE_DIGITS: Final = 6
CODE_SPACE: Final = 10**CODE_DIGITS
CODE_LIFETIME: Final = timedelta(minutes=5)
MAX_CODE_ATTEMPTS: Final = 5
LOGIN_INTENT: Final = "login"  # a code that signs in to the preference centre
FAILED_ATTEMPTS_LIMIT: Final = RateLimit(10, timedelta(days=1))  # by phone number


def format_code(number: int) -> str:
    """Return a random number below CODE_SPACE as six digits."""
    return f"{number:0{CODE_DIGITS}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A one-time code that was sent, as it is stored: a keyed hash, bound to one browser."""

    id: bytes  # hash of a secret that only the requesting browser has
    intent: str  # what the code is for; it is not valid for another intent
    code_hash: bytes  # keyed hash of the code
    sealed_number: bytes  # sealed under a key that only the requesting browser has
    failures_key: bytes  # rate limit key of failed attempts for the number
    sent_at: datetime
    attempts: int = 0
    is_used: bool = False

    def is_open(self, now: datetime) -> bool:
        """Whether another attempt is allowed."""
        return (
            not self.is_used
            and self.attempts < MAX_CODE_ATTEMPTS
            and now < self.sent_at + CODE_LIFETIME
        )

    def with_attempt(self, *, is_right: bool) -> "Challenge":
        """Return the challenge after another attempt."""
        return replace(self, attempts=self.attempts + 1, is_used=is_right)
