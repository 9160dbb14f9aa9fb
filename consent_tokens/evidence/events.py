"""Events: one line of evidence each, added and never changed.

An event names rows by their addresses, and codes; never a number, never a text. To whoever lacks
the handle key and the index key it names no one (promise 10).
"""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.relay.decision import Accepted, Decision, Deferred, Refused


class EventKind(StrEnum):
    """What happened."""

    REQUEST_CREATED = "request_asked"
    REQUEST_DECLINED = "request_declined"
    CODE_SENT = "code_sent"
    CODE_WITHHELD = "code_withheld"
    CODE_FAILED = "code_failed"
    GRANT_CREATED = "grant_given"
    GRANT_CHANGED = "grant_changed"
    GRANT_ENDED = "grant_ended"
    PREFERENCES_CHANGED = "wishes_changed"
    INVITATION_SENT = "invitation_sent"
    INVITATION_REFUSED = "invitation_refused"
    COMPLAINT_FILED = "complaint_filed"
    COMPLAINT_DECIDED = "complaint_decided"
    NUMBER_REASSIGNED = "number_changed"
    REPLY_ANSWERED = "reply_heard"
    TOKEN_FETCHED = "token_fetched"  # noqa: S105 - a kind, not a secret
    TOKEN_RENEWED = "token_renewed"  # noqa: S105 - a kind, not a secret
    MESSAGE_ACCEPTED = "message_accepted"
    MESSAGE_DEFERRED = "message_deferred"
    MESSAGE_REFUSED = "message_refused"
    MESSAGE_SUBMITTED = "message_left"
    MESSAGE_FAILED = "message_failed"
    MESSAGE_EXPIRED = "message_expired"
    MESSAGE_UNKNOWN = "message_unknown"
    MESSAGE_REPORTED = "message_reported"
    MERCHANT_ADMITTED = "merchant_admitted"
    MERCHANT_SUSPENDED = "merchant_suspended"
    SENDER_ADMITTED = "sender_admitted"
    API_KEY_CREATED = "api_key_made"
    API_KEY_REVOKED = "api_key_revoked"


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened, kept in the home of whom it is about."""

    partition: int
    at: datetime
    kind: EventKind
    merchant_id: str | None = None
    grant_id: int | None = None  # numbers of rows in that home
    message_id: int | None = None
    reason: str | None = None


def decision_event(decision: Decision) -> tuple[EventKind, str | None]:
    """Return what kind of event a decision is, and its code."""
    match decision:
        case Accepted():
            return EventKind.MESSAGE_ACCEPTED, None
        case Deferred():
            return EventKind.MESSAGE_DEFERRED, None
        case Refused(reason=reason):
            return EventKind.MESSAGE_REFUSED, reason.value


def grant_ended(grant: Grant, by: EndReason) -> Event:
    """Return the event that tells the end of a grant."""
    return Event(
        partition=grant.home,
        at=grant.status_since,
        kind=EventKind.GRANT_ENDED,
        merchant_id=grant.merchant_id,
        grant_id=grant.number,
        reason=by.value,
    )
