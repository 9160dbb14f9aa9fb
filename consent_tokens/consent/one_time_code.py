"""One-time codes: their form, their life, and how often one may fail (NIST SP 800-63B-4, 3.1.3.2).

A code is six decimal digits from the system's generator, good once, for five minutes and five
tries. A new code does not reset the count of failures for a number: ten a day, whatever is sent.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.policies import RateLimit

CODE_DIGITS: Final = 6
CODE_SPACE: Final = 10**CODE_DIGITS
CODE_LIFETIME: Final = timedelta(minutes=5)
MAX_CODE_ATTEMPTS: Final = 5
LOGIN_INTENT: Final = "login"  # what a code is about: one's own consents, or that the number is new
FAILED_ATTEMPTS_LIMIT: Final = RateLimit(
    10, timedelta(days=1)
)  # for one number, over all its codes


def format_code(random_bytes: int) -> str:
    """Return a drawn number as the six digits that are sent."""
    return f"{random_bytes:0{CODE_DIGITS}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A code that was sent, as the service knows it: a keyed hash, bound to one browser."""

    id: bytes  # hash of the secret that only the asking browser holds
    intent: str  # what the code is for; a code for one thing opens no other
    code_hash: bytes  # keyed hash of the code
    sealed_number: bytes  # the number, sealed under a key that only the asking browser holds
    failures_key: bytes  # where failures for this number are counted
    sent_at: datetime
    attempts: int = 0
    is_used: bool = False

    def is_open(self, now: datetime) -> bool:
        """Whether one more try is allowed."""
        return (
            not self.is_used
            and self.attempts < MAX_CODE_ATTEMPTS
            and now < self.sent_at + CODE_LIFETIME
        )

    def with_attempt(self, *, is_right: bool) -> "Challenge":
        """Return the challenge after one more try."""
        return replace(self, attempts=self.attempts + 1, is_used=is_right)
