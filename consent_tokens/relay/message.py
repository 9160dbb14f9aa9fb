"""Messages and their life cycle (docs/data-model.md)."""

from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from msgspec import Struct

from consent_tokens.consent.purposes import Purpose
from consent_tokens.relay.decision import is_limited
from consent_tokens.row_key import RowKey

DEFAULT_VALIDITY: Final = timedelta(days=1)  # unless the merchant sets another
MAX_VALIDITY: Final = timedelta(days=7)
MAX_CODE_VALIDITY: Final = timedelta(minutes=10)  # a one-time code that comes later is no use
MAX_SCHEDULE_AHEAD: Final = timedelta(days=30)  # of `send_at`
MAX_SCHEDULE_BEHIND: Final = timedelta(minutes=15)  # of `send_at`: a request that was on its way
MAX_ATTEMPTS: Final = 5
# `pacing` of a message: held back, or counted in a part, with what its recipient did
HELD_BACK: Final = 0
COUNTED: Final = 1
STOPPED: Final = 2
COMPLAINED: Final = 4
INVITATION_PURPOSE: Final = "service.invitation"  # of a consent request sent by SMS


class MessageStatus(StrEnum):
    """The status of a message."""

    QUEUED = "queued"
    DEFERRED = "deferred"  # waits for its send window or `send_at`
    SENDING = "sending"  # leased by a dispatcher
    SENT = "sent"  # accepted by the gateway
    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    REFUSED = "refused"  # no longer allowed when it was due
    EXPIRED = "expired"  # its validity ended first
    UNKNOWN = "unknown"  # may have been sent (promise 7)

    @property
    def is_waiting(self) -> bool:
        """Whether it waits in the outbox."""
        return self in WAITING

    @property
    def is_failure(self) -> bool:
        """Whether it has ended without being known to have arrived."""
        return self in FAILURES


WAITING: Final = frozenset({MessageStatus.QUEUED, MessageStatus.DEFERRED})
FAILURES: Final = frozenset(
    {
        MessageStatus.UNDELIVERABLE,
        MessageStatus.REFUSED,
        MessageStatus.EXPIRED,
        MessageStatus.UNKNOWN,
    }
)


class Priority(IntEnum):
    """The order of dispatch: the service's own messages, then transactional, then limited."""

    SERVICE = 0
    TRANSACTIONAL = 1
    MARKETING = 2  # and finance


def priority_of(purpose: str) -> Priority:
    """Return the priority of a merchant's message, also of a purpose outside the catalogue."""
    return Priority.MARKETING if is_limited(purpose) else Priority.TRANSACTIONAL


def max_validity(purpose: str) -> timedelta:
    """Return how long a message of a purpose may wait, at most."""
    return MAX_CODE_VALIDITY if purpose == Purpose.CODES else MAX_VALIDITY


class Message(Struct, frozen=True):
    """One text and the sealed number of its recipient.

    The number of a merchant's message opens with the key of its grant. A message of the service
    itself (a code, a confirmation) has a `wrapped_key`, and its text is sealed with the number.
    """

    key: RowKey
    grant_key: RowKey | None  # the row key of its grant
    merchant_id: str | None
    sender_id: str | None
    priority: Priority
    purpose: str
    status: MessageStatus
    accepted_at: datetime
    send_at: datetime
    valid_until: datetime
    changed_at: datetime
    segments: int
    sealed_number: bytes | None
    reference: str | None = None
    reason: str | None = None
    attempts: int = 0
    wrapped_key: bytes | None = None
    text: str | None = None
    template_id: str | None = None
    template_version: int | None = None
    value_hashes: bytes | None = None  # of the template's counted variables, keyed
    event_hash: int | None = None  # of the event that it is about, keyed
    pacing_id: str | None = None  # subject and version of the pacing that it counts for
    pacing: int | None = None  # HELD_BACK, or COUNTED and reactions
    held_from: datetime | None = None  # while it is held back: when it was to be sent

    @property
    def is_held_back(self) -> bool:
        """Whether it waits for the pacing of its template."""
        return self.held_from is not None

    @property
    def grant_id(self) -> int | None:
        """Return the id of its grant, which is in the same partition."""
        return self.grant_key.id if self.grant_key else None


class CountedSend(Struct, frozen=True):
    """A message that counts towards a frequency cap: when it was sent, or is planned to be."""

    message_id: int
    priority: Priority
    send_at: datetime
    is_submitted: bool


class MessageOutcome(Struct, frozen=True, kw_only=True):
    """The outcome of a leased message. `send_at` is when it was sent, or when it is retried.

    Unless it waits again, recording it deletes the sealed number.
    """

    key: RowKey
    attempts: int  # of the lease: a fencing token, so that a later lease is not changed
    status: MessageStatus
    send_at: datetime
    reason: str | None = None
    # of a decision: the version of the rules with the ids of those that led to it, and what it was
    # made of (relay.case_record)
    rules: str | None = None
    inputs: bytes | None = None
    gateway_id: str | None = None
    segment_ids: tuple[str | None, ...] = ()  # the gateway's, of a message in several segments
    counts_as_attempt: bool = True  # towards MAX_ATTEMPTS
