"""Complaints: why a consumer reports a message, what the records say, and where it stands."""

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from typing import Final

from consent_tokens.consent.scope import Scope
from consent_tokens.relay.decision import is_marketing
from consent_tokens.relay.message import Message

MOST_SAID: Final = 1000  # characters of a consumer's own words
FOLLOW_DIGITS: Final = 16  # of the number by which a complaint is followed: 53 bits
LINK: Final = re.compile(
    r"https?://[!-~]+", re.IGNORECASE
)  # letters of an address, not what follows
REFUSALS: Final = ("拒收请回复R", "拒收請回覆R", "Reply STOP to refuse:")


class Why(StrEnum):
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


class ComplaintState(StrEnum):
    """Where a complaint stands. All but RECEIVED and IN_REVIEW are for good."""

    RECEIVED = "received"
    IN_REVIEW = "in_review"
    UPHELD = "upheld"
    NOT_UPHELD = "not_upheld"
    HANDED_ON = "handed_on"  # to the regulator, as a lead


@lru_cache(maxsize=4096)
def essence(text: str) -> str:
    """Return what is the same in a text as it was sent and as it is pasted.

    The link goes, since each message has its own; so do the way to refuse, blanks and punctuation,
    which phones and fingers change.
    """
    bare = LINK.sub("", text)
    for refusal in REFUSALS:
        bare = bare.replace(refusal, "")
    wide = unicodedata.normalize("NFKC", bare).casefold()
    return "".join(letter for letter in wide if unicodedata.category(letter)[0] in "LN")


def weigh(message: Message, scope: Scope) -> Verdict:
    """Return what the records say of a message that left, under the scope of that moment."""
    left = message.leaves
    is_covered = message.purpose in scope.purposes and left < scope.ends
    if is_marketing(message.purpose):
        is_covered = is_covered and scope.hours.next_open(left) == left
    return Verdict.UNDER_CONSENT if is_covered else Verdict.OUTSIDE_SCOPE
