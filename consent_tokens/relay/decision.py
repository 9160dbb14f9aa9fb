"""The relay's decision on a message: accepted, deferred, or refused with a reason.

`relay.case` is what a decision is made of, `relay.checks` makes it.
"""

from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.relay.text_form import TextFault
from consent_tokens.rules.rule import Rule


class Reason(StrEnum):
    """Why a message is refused, in the order in which it is checked.

    The values are part of the API and never change; `web.reasons` says what they mean.
    """

    MERCHANT_SUSPENDED = "merchant_suspended"
    TOKEN_MALFORMED = "token_malformed"  # noqa: S105 - a code, not a secret
    TOKEN_SIGNATURE_INVALID = "token_signature_invalid"  # noqa: S105 - a code, not a secret
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a code, not a secret
    TOKEN_NOT_YOURS = "token_not_yours"  # noqa: S105 - a code, not a secret
    CONSENT_REVOKED = "consent_revoked"
    CONSENT_PAUSED = "consent_paused"
    PURPOSE_NOT_GRANTED = "purpose_not_granted"
    CHANNEL_NOT_GRANTED = "channel_not_granted"
    SENDER_NOT_ADMITTED = "sender_not_admitted"
    CLASS_NOT_ADMITTED = "class_not_admitted"
    TEMPLATE_REQUIRED = "template_required"
    TEMPLATE_REJECTED = "template_rejected"
    CONTENT_REJECTED = "content_rejected"
    TEXT_TOO_LONG = "text_too_long"
    EVENT_REQUIRED = "event_required"
    EVENT_USED = "event_used"
    RULE_FORBIDS = "rule_forbids"
    CAP_REACHED = "cap_reached"
    OUTSIDE_HOURS = "outside_hours"
    HELD_BACK = "held_back"


class Accepted(Struct, frozen=True):
    """The message may be sent now."""

    send_at: datetime


class Deferred(Struct, frozen=True):
    """The message may be sent at `send_at`: when its window opens, or as the merchant planned.

    With HELD_BACK as `reason` it may not be sent before the pacing of its template lets it.
    """

    send_at: datetime
    reason: Reason | None = None


class FieldFault(Struct, frozen=True):
    """What is wrong with a member of a message, such as `variables.order`: a code, and words."""

    field: str
    why: str
    detail: str | None = None  # where the code does not say it all


class Refused(Struct, frozen=True):
    """The message may not be sent; `next_at` is when it could be, if that is known."""

    reason: Reason
    next_at: datetime | None = None
    text_fault: TextFault | None = None  # of `content_rejected`
    field_fault: FieldFault | None = None  # of `template_rejected` and `event_required`
    rules: tuple[Rule, ...] = ()  # that led to it, in the order in which they were met


Decision: TypeAlias = Accepted | Deferred | Refused


def class_of(purpose: str) -> PurposeClass:
    """Return the class of a purpose; one that is not in the catalogue counts as marketing."""
    found = Purpose.members.get(purpose)  # one look-up, because every message needs it
    return PurposeClass.MARKETING if found is None else found.purpose_class


def needs_own_admission(purpose: str) -> bool:
    """Whether being admitted for its class is not enough for a purpose, as for debt collection."""
    found = Purpose.members.get(purpose)
    return found is not None and found.needs_own_admission


def is_limited(purpose: str) -> bool:
    """Whether cap and send window bind a purpose: also one that is not in the catalogue."""
    return class_of(purpose).is_limited
