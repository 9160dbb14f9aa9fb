"""Complaints of consumers about messages: reason, verdict by the records, and status."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.scope import Scope
from consent_tokens.evidence.as_marketing import Findings
from consent_tokens.relay.decision import is_limited
from consent_tokens.relay.message import INVITATION_PURPOSE, Message
from consent_tokens.row_key import RowKey

MAX_STATEMENT_LENGTH: Final = 1000  # characters
CASE_NUMBER_DIGITS: Final = 16  # of the number by which a consumer follows a complaint: 53 bits
# printable ASCII only: Chinese text may follow a link without a space
LINK: Final = re.compile(r"https?://[!-~]+", re.IGNORECASE)
# a colon before a link is left out as other punctuation is
OPT_OUT_TEXTS: Final = ("拒收请回复R", "拒收請回覆R", "Reply STOP to refuse")


class ComplaintReason(StrEnum):
    """Why the consumer complains, in the order in which pages offer it."""

    ADVERT = "advert"
    TOO_OFTEN = "too_often"
    NEVER_AGREED = "never_agreed"
    AFTER_REFUSAL = "after_refusal"
    AT_NIGHT = "at_night"
    NO_SUCH_ORDER = "no_such_order"
    FRAUD = "fraud"
    OTHER = "other"


class Verdict(StrEnum):
    """What the records say about the message, assessed when the complaint is filed."""

    UNDER_CONSENT = "under_consent"
    OUTSIDE_SCOPE = "outside_scope"  # a consent, but not for this purpose, hour or time
    AFTER_END = "after_end"  # the consent had ended when the message left
    INVITATION = "invitation"  # it asked for a consent; nothing was agreed to before
    FORMER_OWNER = "former_owner"  # a consent of whoever had the number before
    NO_CONSENT = "no_consent"  # an admitted sender, but the relay sent no such message
    OWN_SENDER = "own_sender"  # the service's own sender, whose texts are not recorded
    RECORDS_GONE = "records_gone"  # records of that time are past their retention
    NOT_THROUGH_US = "not_through_us"
    CLASS_DISPUTED = "class_disputed"  # sent as transactional, reported as an advert: to be decided
    WRONG_CLASS = "wrong_class"  # decided: an advert that was sent as transactional
    RIGHT_CLASS = "right_class"  # decided: transactional, and sent under a consent


# reasons that deny that a text is transactional
CLASS_REASONS: Final = frozenset({ComplaintReason.ADVERT, ComplaintReason.NO_SUCH_ORDER})
# verdicts by which a complaint that denies the consent is disputed
SENT_AS_AGREED: Final = frozenset({Verdict.UNDER_CONSENT, Verdict.INVITATION})


class ComplaintStatus(StrEnum):
    """The status of a complaint. All but RECEIVED and IN_REVIEW are final."""

    RECEIVED = "received"
    IN_REVIEW = "in_review"
    UPHELD = "upheld"
    NOT_UPHELD = "not_upheld"
    REFERRED = "referred"  # to the regulator, as a lead


OPEN_STATUSES: Final = frozenset({ComplaintStatus.RECEIVED, ComplaintStatus.IN_REVIEW})
TIME_TO_DECIDE: Final = timedelta(days=5)  # chosen; the law of mainland China has 15 days


class Ground(StrEnum):
    """Why a complaint was decided as it was, in the order in which the console offers it."""

    NO_CONSENT = "no_consent"
    AFTER_STOP = "after_stop"
    OUTSIDE_TERMS = "outside_terms"  # hours, number or purposes that were agreed to
    ADVERT = "advert"
    AS_AGREED = "as_agreed"
    NO_ADVERT = "no_advert"
    NOT_THROUGH_US = "not_through_us"
    CANNOT_TELL = "cannot_tell"  # the records do not say
    FOR_REGULATOR = "for_regulator"

    @property
    def status(self) -> ComplaintStatus:
        """Return the status of a complaint that is decided for this reason."""
        return _STATUS_OF_GROUND[self]

    @property
    def is_of_class(self) -> bool:
        """Whether it says if a text was an advert, which is decided for its template."""
        return self in {Ground.ADVERT, Ground.NO_ADVERT}


_STATUS_OF_GROUND: Final = {
    Ground.NO_CONSENT: ComplaintStatus.UPHELD,
    Ground.AFTER_STOP: ComplaintStatus.UPHELD,
    Ground.OUTSIDE_TERMS: ComplaintStatus.UPHELD,
    Ground.ADVERT: ComplaintStatus.UPHELD,
    Ground.AS_AGREED: ComplaintStatus.NOT_UPHELD,
    Ground.NO_ADVERT: ComplaintStatus.NOT_UPHELD,
    Ground.NOT_THROUGH_US: ComplaintStatus.NOT_UPHELD,
    Ground.CANNOT_TELL: ComplaintStatus.NOT_UPHELD,
    Ground.FOR_REGULATOR: ComplaintStatus.REFERRED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintGroup:
    """How many complaints about a merchant, of one purpose and reason, were filed on a day of UTC.

    Merchants are shown groups only: the time of one complaint could single out who complained.
    """

    merchant_id: str
    day: date
    purpose: str | None  # None if the message was not found
    reason: ComplaintReason
    count: int
    place: int  # of the group among those of its merchant and day, from 0


MAX_COMPARABLE_LENGTH: Final = 10_000  # characters


@lru_cache(maxsize=4096)
def comparable_text(text: str) -> str:
    """Return a text normalized, so that it is equal as sent and as pasted by a consumer.

    Leaves out links, which differ by message, the opt-out, whitespace and punctuation.
    """
    bare = LINK.sub("", text)
    for refusal in OPT_OUT_TEXTS:
        bare = bare.replace(refusal, "")
    # one letter may fold to eighteen: cut, of what was sent and of what is pasted alike
    wide = unicodedata.normalize("NFKC", bare).casefold()[:MAX_COMPARABLE_LENGTH]
    return "".join(letter for letter in wide if unicodedata.category(letter)[0] in "LN")


def comparable_sender(text: str) -> str:
    """Return a sender as pages and carriers write it alike: ASCII digits, or a name with letters.

    Of a number, `+`, blanks and punctuation are left out. Empty if there is neither a letter nor a
    digit.
    """
    shown = " ".join(unicodedata.normalize("NFKC", text).split())
    if any(letter.isalpha() for letter in shown):
        return shown
    return "".join(str(unicodedata.decimal(each)) for each in shown if each.isdecimal())


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One complaint. `statement`, `picture` and `shown_text` are in sealed envelopes."""

    key: RowKey  # in the recipient's partition if a message was found, else in a new one
    case_number_hash: bytes  # keyed hash of the case number
    merchant_id: str | None
    grant_id: int | None = None
    message_id: int | None = None
    purpose: str | None = None
    template_id: str | None = None
    sent_at: datetime | None = None
    reason: ComplaintReason
    verdict: Verdict
    status: ComplaintStatus
    # what a disputed text is as marketing; None: not judged
    as_marketing: Findings | None = None
    has_ordered: bool | None = None  # as the consumer says; None: not said
    statement: bytes | None = None
    picture: bytes | None = None
    shown_text: bytes | None = None  # the text that it is about, if the consumer shows it
    owner_id: str | None = None  # of the operator who has taken it
    ground: Ground | None = None  # why it was decided so; None: not decided in the console
    remark: str | None = None  # what the operator wrote about the decision, for colleagues
    filed_at: datetime
    changed_at: datetime

    @property
    def decide_by(self) -> datetime:
        """Return when it is due to be decided."""
        return self.filed_at + TIME_TO_DECIDE

    @property
    def is_open(self) -> bool:
        """Whether nobody has decided yet."""
        return self.status in OPEN_STATUSES

    @property
    def has_additions(self) -> bool:
        """Whether its consumer added words, a picture or the text to it."""
        return bool(self.statement or self.picture or self.shown_text)

    @property
    def findings(self) -> Findings | None:
        """Return what an advert that was sent as transactional broke; None if it is none."""
        return self.as_marketing if self.verdict is Verdict.WRONG_CLASS else None

    @property
    def may_show_text(self) -> bool:
        """Whether its consumer may show the text to whoever decides about its class."""
        is_undecided = self.is_open and self.verdict is Verdict.CLASS_DISPUTED
        return is_undecided and self.message_id is not None

    @property
    def is_disputed(self) -> bool:
        """Whether the consumer denies what the records say, and nobody has decided yet."""
        denies = self.reason in {ComplaintReason.NEVER_AGREED, ComplaintReason.AFTER_REFUSAL}
        return self.is_open and denies and self.verdict in SENT_AS_AGREED


def assess(message: Message, grant: Grant, scope: Scope) -> Verdict:
    """Return the verdict on a sent message, by its grant and the scope when it was sent."""
    sent_at = message.send_at
    if message.purpose == INVITATION_PURPOSE:
        return Verdict.INVITATION
    if grant.is_ended and grant.status_since < sent_at:
        return Verdict.AFTER_END
    is_covered = message.purpose in scope.purposes and sent_at < scope.ends_at
    if is_limited(message.purpose):
        is_covered = is_covered and scope.send_window.next_open(sent_at) == sent_at
    return Verdict.UNDER_CONSENT if is_covered else Verdict.OUTSIDE_SCOPE


def is_class_disputed(message: Message, reason: ComplaintReason) -> bool:
    """Whether a complaint denies that a merchant's message is transactional."""
    is_transactional = message.purpose != INVITATION_PURPOSE and not is_limited(message.purpose)
    return is_transactional and reason in CLASS_REASONS
