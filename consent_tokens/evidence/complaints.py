"""Complaints: why a consumer reports a message, what the records say, and where it stands."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

from consent_tokens.consent.scope import Scope
from consent_tokens.relay.decision import is_marketing
from consent_tokens.relay.message import Message
from consent_tokens.row_key import RowKey

MAX_STATEMENT_LENGTH: Final = 1000  # characters of a consumer's own words
CASE_NUMBER_DIGITS: Final = 16  # of the number by which a complaint is followed: 53 bits
LINK: Final = re.compile(
    r"https?://[!-~]+", re.IGNORECASE
)  # letters of an address, not what follows
OPT_OUT_TEXTS: Final = ("拒收请回复R", "拒收請回覆R", "Reply STOP to refuse:")


class ComplaintReason(StrEnum):
    """What is wrong with it, in the consumer's view."""

    NEVER_AGREED = "never_agreed"
    AFTER_REFUSAL = "after_refusal"
    TOO_OFTEN = "too_often"
    AT_NIGHT = "at_night"
    FRAUD = "fraud"
    OTHER = "other"


class Verdict(StrEnum):
    """What the records say of it, at once."""

    UNDER_CONSENT = "under_consent"
    OUTSIDE_SCOPE = "outside_scope"
    NO_CONSENT = "no_consent"  # a sender of ours, but no such message went through the relay
    NOT_THROUGH_US = "not_through_us"


class ComplaintStatus(StrEnum):
    """Where a complaint stands. All but RECEIVED and IN_REVIEW are for good."""

    RECEIVED = "received"
    IN_REVIEW = "in_review"
    UPHELD = "upheld"
    NOT_UPHELD = "not_upheld"
    REFERRED = "referred"  # to the regulator, as a lead


@lru_cache(maxsize=4096)
def comparable_text(text: str) -> str:
    """Return what is the same in a text as it was sent and as it is pasted.

    The link goes, since each message has its own; so do the way to refuse, blanks and punctuation,
    which phones and fingers change.
    """
    bare = LINK.sub("", text)
    for refusal in OPT_OUT_TEXTS:
        bare = bare.replace(refusal, "")
    wide = unicodedata.normalize("NFKC", bare).casefold()
    return "".join(letter for letter in wide if unicodedata.category(letter)[0] in "LN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One complaint. What the consumer wrote lies enclosed: it may hold anything."""

    key: RowKey  # in the recipient's home where there is a message, else in one of its own
    case_number_hash: bytes  # keyed hash of the number by which it is followed
    merchant_id: str | None
    grant_id: int | None = None
    message_id: int | None = None
    purpose: str | None = None
    sent_at: datetime | None = None
    reason: ComplaintReason
    verdict: Verdict
    status: ComplaintStatus
    statement: bytes | None = None
    picture: bytes | None = None
    filed_at: datetime
    changed_at: datetime


def assess(message: Message, scope: Scope) -> Verdict:
    """Return what the records say of a message that left, under the scope of that moment."""
    left = message.send_at
    is_covered = message.purpose in scope.purposes and left < scope.ends_at
    if is_marketing(message.purpose):
        is_covered = is_covered and scope.send_window.next_open(left) == left
    return Verdict.UNDER_CONSENT if is_covered else Verdict.OUTSIDE_SCOPE
