"""Events: rows of evidence, added and never changed.

An event refers to rows by partition and id, and to reasons by code; it holds no phone number and no
text. Without the id key and the index key it identifies nobody (promise 10).
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.request import ConsentRequest
from consent_tokens.evidence.complaints import Complaint
from consent_tokens.relay.decision import Accepted, Decision, Deferred, Refused
from consent_tokens.relay.message import Message
from consent_tokens.rules.rule import Rule


class EventKind(StrEnum):
    """What an event records."""

    REQUEST_CREATED = "request_created"
    REQUEST_DECLINED = "request_declined"
    REQUEST_EXPIRED = "request_expired"
    REQUEST_REFUSED = "request_refused"
    CODE_SENT = "code_sent"
    CODE_WITHHELD = "code_withheld"
    CODE_FAILED = "code_failed"
    GRANT_CREATED = "grant_created"
    GRANT_CHANGED = "grant_changed"
    GRANT_ENDED = "grant_ended"
    PREFERENCES_CHANGED = "preferences_changed"
    INVITATION_SENT = "invitation_sent"
    INVITATION_REFUSED = "invitation_refused"
    COMPLAINT_FILED = "complaint_filed"
    COMPLAINT_TAKEN = "complaint_taken"  # by an operator, who decides on it
    COMPLAINT_RELEASED = "complaint_released"
    COMPLAINT_DECIDED = "complaint_decided"
    COMPLAINT_ANSWERED = "complaint_answered"  # what its consumer says of a disputed text
    COMPLAINT_TEXT_READ = "complaint_text_read"  # by an operator, to whom the consumer shows it
    NUMBER_REASSIGNED = "number_reassigned"
    REPLY_ANSWERED = "reply_answered"
    STOP_REASON_GIVEN = "stop_reason_given"
    TOKEN_FETCHED = "token_fetched"  # noqa: S105 - a kind, not a secret
    TOKEN_RENEWED = "token_renewed"  # noqa: S105 - a kind, not a secret
    MESSAGE_ACCEPTED = "message_accepted"
    MESSAGE_DEFERRED = "message_deferred"
    MESSAGE_REFUSED = "message_refused"
    MESSAGE_SUBMITTED = "message_submitted"
    MESSAGE_FAILED = "message_failed"
    MESSAGE_EXPIRED = "message_expired"
    MESSAGE_UNKNOWN = "message_unknown"
    MESSAGE_REPORTED = "message_reported"
    MERCHANT_ADMITTED = "merchant_admitted"
    MERCHANT_SUSPENDED = "merchant_suspended"
    MERCHANT_APPLIED = "merchant_applied"
    MERCHANT_RETURNED = "merchant_returned"  # its application, to mend it
    MERCHANT_REFUSED = "merchant_refused"
    MERCHANT_RESTORING = "merchant_restoring"  # one of the two people who are needed said so
    MERCHANT_RESTORED = "merchant_restored"
    MERCHANT_NOTED = "merchant_noted"  # a reviewer wrote a note about it
    GROUP_JOINED = "group_joined"
    GROUP_REJECTED = "group_rejected"
    SENDER_APPLIED = "sender_applied"
    SENDER_ADMITTED = "sender_admitted"
    SENDER_REFUSED = "sender_refused"
    SENDER_REVOKED = "sender_revoked"
    OPERATOR_ADDED = "operator_added"
    OPERATOR_DISABLED = "operator_disabled"
    TEMPLATE_SUBMITTED = "template_submitted"
    TEMPLATE_FIRST_APPROVED = "template_first_approved"  # the first of two approvals
    TEMPLATE_APPROVED = "template_approved"
    TEMPLATE_RECATEGORISED = "template_recategorised"  # decided, and announced if it is in use
    TEMPLATE_PURPOSE_CHANGED = "template_purpose_changed"
    TEMPLATE_APPEALED = "template_appealed"  # by its merchant, against the other purpose
    TEMPLATE_APPEAL_DECIDED = "template_appeal_decided"
    TEMPLATE_REFUSED = "template_refused"
    TEMPLATE_HELD = "template_held"
    TEMPLATE_RELEASED = "template_released"
    TEMPLATE_WITHDRAWN = "template_withdrawn"
    TEMPLATE_DISPUTED = "template_disputed"  # consumers say that its texts are adverts
    TEMPLATE_CLASS_DECIDED = "template_class_decided"
    PACING_ADVANCED = "pacing_advanced"  # the next part of a template's texts may leave
    PACING_HELD = "pacing_held"
    PACING_WAITING = "pacing_waiting"  # for a person, who has to decide
    PACING_RESUMED = "pacing_resumed"
    PACING_DROPPED = "pacing_dropped"
    PACING_FINISHED = "pacing_finished"
    WEIGHT_SET = "weight_set"  # a merchant's share of the throughput
    LINK_DOMAINS_SET = "link_domains_set"
    IDENTITY_SET = "identity_set"
    MANY_TEXTS_PER_EVENT = "many_texts_per_event"  # on a day, compared with other merchants
    DAILY_LIMITS_SET = "daily_limits_set"
    PLAN_STATED = "plan_stated"
    PLAN_CHANGED = "plan_changed"
    PLAN_WITHDRAWN = "plan_withdrawn"
    API_KEY_CREATED = "api_key_created"
    API_KEY_REVOKED = "api_key_revoked"
    OBJECTION_MADE = "objection_made"  # by a merchant, to a refusal or suspension
    OBJECTION_DECIDED = "objection_decided"
    POSTER_CREATED = "poster_created"  # by somebody of a merchant, in its console
    POSTER_ENDED = "poster_ended"
    CAMPAIGN_UPLOADED = "campaign_uploaded"  # by somebody of a merchant, in its console
    CAMPAIGN_STARTED = "campaign_started"
    CAMPAIGN_STOPPED = "campaign_stopped"
    PERSON_ADDED = "person_added"  # to the team of a merchant
    PERSON_INVITED = "person_invited"
    PERSON_DISABLED = "person_disabled"
    PERSON_ENABLED = "person_enabled"
    ROLE_CHANGED = "role_changed"
    SIGNED_IN = "signed_in"  # to a console
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    SESSION_ENDED = "session_ended"
    PASSWORD_SET = "password_set"  # noqa: S105 - a kind, not a secret
    SECOND_FACTOR_ADDED = "second_factor_added"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    RECOVERY_CODE_USED = "recovery_code_used"
    CONSUMER_HELPED = "consumer_helped"  # an operator saw the consents of who read out a code
    EVIDENCE_EXPORTED = "evidence_exported"  # by an operator; its reason is the file's SHA-256
    KEY_CREATED = "key_created"
    KEY_WITHDRAWN = "key_withdrawn"
    DISPATCH_PAUSED = "dispatch_paused"  # everything, a merchant, a sender or a dispatcher
    DISPATCH_RESUMED = "dispatch_resumed"
    WEBHOOK_ADDED = "webhook_added"
    WEBHOOK_REMOVED = "webhook_removed"
    WEBHOOK_PAUSED = "webhook_paused"
    WEBHOOK_RESUMED = "webhook_resumed"
    WEBHOOK_SECRET_ROTATED = "webhook_secret_rotated"  # noqa: S105 - a kind, not a secret
    WEBHOOK_REPLAYED = "webhook_replayed"  # what could not be delivered is delivered again
    ACTION_PROPOSED = "action_proposed"
    ACTION_APPROVED = "action_approved"
    ACTION_REJECTED = "action_rejected"


class Event(Struct, frozen=True, kw_only=True):
    """One event, stored in the partition of the recipient or merchant that it concerns."""

    partition: int
    at: datetime
    kind: EventKind
    merchant_id: str | None = None
    grant_id: int | None = None  # ids of rows in that partition
    message_id: int | None = None
    reason: str | None = None  # a reason code, an end reason, an amendment ...
    actor: str | None = None  # id of the operator who decided; None: nobody did
    rules: str | None = None  # version of the rules, and the ids of those that refused
    inputs: bytes | None = None  # of a decision on a message: relay.case_record
    id: int | None = None  # None: drawn when it is stored


MAX_RULES_LENGTH: Final = 200  # characters


def rules_text(version: str, rules: Sequence[Rule] = ()) -> str:
    """Return what an event keeps of rules: their version, and the ids of those that refused.

    Of many ids, those that fit.
    """
    text = version
    for rule in rules:
        if len(text) + 1 + len(rule.id) <= MAX_RULES_LENGTH:
            text = f"{text} {rule.id}"
    return text


def message_event(
    message: Message, kind: EventKind, at: datetime, reason: str | None = None
) -> Event:
    """Return an event about a message."""
    return Event(
        partition=message.key.partition,
        at=at,
        kind=kind,
        merchant_id=message.merchant_id,
        grant_id=message.grant_id,
        message_id=message.key.id,
        reason=reason,
    )


def grant_event(grant: Grant, kind: EventKind, at: datetime, reason: str | None = None) -> Event:
    """Return an event about a grant."""
    return Event(
        partition=grant.key.partition,
        at=at,
        kind=kind,
        merchant_id=grant.merchant_id,
        grant_id=grant.key.id,
        reason=reason,
    )


def request_event(request: ConsentRequest, kind: EventKind, at: datetime) -> Event:
    """Return an event about a consent request."""
    return Event(partition=request.key.partition, at=at, kind=kind, merchant_id=request.merchant_id)


def complaint_event(
    complaint: Complaint,
    kind: EventKind,
    at: datetime,
    reason: str | None,
    *,
    actor: str | None = None,
) -> Event:
    """Return an event about a complaint; `actor` is the id of the operator who did it, if any."""
    return Event(
        partition=complaint.key.partition,
        at=at,
        kind=kind,
        merchant_id=complaint.merchant_id,
        grant_id=complaint.grant_id,
        message_id=complaint.message_id,
        reason=reason,
        actor=actor,
    )


def decision_kind(decision: Decision) -> tuple[EventKind, str | None]:
    """Return the kind of event that a decision of the relay is, and its reason."""
    match decision:
        case Accepted():
            return EventKind.MESSAGE_ACCEPTED, None
        case Deferred(reason=why):
            return EventKind.MESSAGE_DEFERRED, why.value if why else None
        case Refused(reason=reason):
            return EventKind.MESSAGE_REFUSED, reason.value
