"""A message on its way, and the states it passes through (docs/data-model.md)."""

from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from msgspec import Struct

from consent_tokens.consent.purposes import Purpose
from consent_tokens.row_key import RowKey

DEFAULT_VALIDITY: Final = timedelta(days=1)  # unless the merchant says otherwise
MAX_VALIDITY: Final = timedelta(days=7)
MAX_SCHEDULE_AHEAD: Final = timedelta(days=30)  # how far ahead a message may be laid out
MAX_ATTEMPTS: Final = 5
INVITATION_PURPOSE: Final = (
    "service.invitation"  # the purpose of a question that goes out as a text
)


class MessageStatus(StrEnum):
    """Where a message stands."""

    QUEUED = "queued"
    DEFERRED = "deferred"  # it waits for its hour
    SENDING = "sending"  # leased by a dispatcher
    SENT = "sent"  # the gateway took it
    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    REFUSED = "refused"  # no longer allowed when it would have left
    EXPIRED = "expired"  # its validity ended first
    UNKNOWN = "unknown"  # it may have left; nobody can say (promise 7)

    @property
    def is_waiting(self) -> bool:
        """Whether it lies in the outbox."""
        return self in WAITING

    @property
    def is_failure(self) -> bool:
        """Whether it is over, and nobody can say that it arrived."""
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
    """Which goes first: the service's own messages, then transactional, then marketing."""

    SERVICE = 0
    TRANSACTIONAL = 1
    MARKETING = 2


def priority_of(purpose: Purpose) -> Priority:
    """Return the rank of a merchant's message."""
    return Priority.MARKETING if purpose.is_marketing else Priority.TRANSACTIONAL


class Message(Struct, frozen=True):
    """One text, with the sealed number of whom it is for.

    A merchant's message opens with the key of its grant; one of the service's own (a code, a
    confirmation) carries its own wrapped key, and its text in the box.
    """

    key: RowKey
    grant_key: RowKey | None  # where its grant lives
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

    @property
    def grant_id(self) -> int | None:
        """Return its grant's number: a grant lives in the home of its messages."""
        return self.grant_key.id if self.grant_key else None


class CountedSend(Struct, frozen=True):
    """What one message takes from a cap: the moment at which it left, or is planned to."""

    message_id: int
    priority: Priority
    send_at: datetime
    is_submitted: bool


class MessageOutcome(Struct, frozen=True, kw_only=True):
    """What becomes of a leased message. `leaves` is when it left, or when it is tried again.

    Unless it waits again, the sealed number is dropped with it.
    """

    key: RowKey
    attempts: int  # of the lease: another's lease is not touched (a fencing number)
    status: MessageStatus
    send_at: datetime
    reason: str | None = None
    gateway_id: str | None = None
    counts_as_attempt: bool = True  # whether it counts as one of its few tries
