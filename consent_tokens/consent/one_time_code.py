"""One-time codes: format, lifetime and attempts (NIST SP 800-63B-4, 3.1.3.2).

A code is six random decimal digits, valid once, for five minutes and five attempts, for one use.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

CODE_DIGITS: Final = 6
CODE_SPACE: Final = 10**CODE_DIGITS
CODE_LIFETIME: Final = timedelta(minutes=5)
MAX_CODE_ATTEMPTS: Final = 5
LOGIN_INTENT: Final = "login"  # a code that signs in to the preference centre
REPORT_INTENT: Final = "report"  # a code that files a complaint
MAX_ENTERED_LENGTH: Final = 500  # characters: the whole SMS may be pasted
MAX_MERCHANT_LENGTH: Final = 30  # characters of its name in the SMS
DASHES: Final = frozenset("-.\u2010\u2011\u2012\u2013\u2014\u2212")
SIX_DIGITS: Final = re.compile(r"(?<!\d)\d{6}(?!\d)")


class CodeKind(StrEnum):
    """What a code is for, as its SMS says it."""

    SIGN_IN = "sign_in"
    REPORT = "report"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class CodeUse:
    """The one use of a code: `intent` is compared, the rest is for the words of the SMS."""

    kind: CodeKind
    intent: str
    merchant: str = ""


SIGN_IN: Final = CodeUse(CodeKind.SIGN_IN, LOGIN_INTENT)
REPORT: Final = CodeUse(CodeKind.REPORT, REPORT_INTENT)


def consent_use(intent: str, merchant: str) -> CodeUse:
    """Return the use of a code that confirms consent to a merchant's request."""
    return CodeUse(CodeKind.CONSENT, intent, merchant[:MAX_MERCHANT_LENGTH])


def entered_code(text: str) -> str:
    """Return the code in what a consumer typed or pasted; empty if there is none.

    Takes full-width digits, blanks and dashes between digits, and the whole SMS. Where the text
    has several groups of six digits, the first counts: that of the sentence, not of the last line.
    """
    folded = unicodedata.normalize("NFKC", text[:MAX_ENTERED_LENGTH])[:MAX_ENTERED_LENGTH]
    digits = "".join(each for each in folded if not each.isspace() and each not in DASHES)
    if digits.isascii() and digits.isdigit():
        return digits if len(digits) == CODE_DIGITS else ""
    found = SIX_DIGITS.search(folded)
    return found[0] if found else ""


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
