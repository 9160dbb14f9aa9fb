"""A message on its way, and the states it passes through (docs/data-model.md)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from consent_tokens.consent.purposes import Purpose
from consent_tokens.crypto.handles import Address

VALID_FOR: Final = timedelta(days=1)  # unless the merchant says otherwise
MOST_VALID_FOR: Final = timedelta(days=7)
MOST_AHEAD: Final = timedelta(days=30)  # how far ahead a message may be laid out
MOST_TRIES: Final = 5
INVITATION: Final = "service.invitation"  # the purpose of a question that goes out as a text


class MessageState(StrEnum):
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
        return self in {MessageState.QUEUED, MessageState.DEFERRED}

    @property
    def is_failure(self) -> bool:
        """Whether it is over, and nobody can say that it arrived."""
        return self in {
            MessageState.UNDELIVERABLE,
            MessageState.REFUSED,
            MessageState.EXPIRED,
            MessageState.UNKNOWN,
        }


class Rank(IntEnum):
    """Which goes first: the service's own messages, then transactional, then marketing."""

    SERVICE = 0
    TRANSACTIONAL = 1
    MARKETING = 2


def rank_of(purpose: Purpose) -> Rank:
    """Return the rank of a merchant's message."""
    return Rank.MARKETING if purpose.is_marketing else Rank.TRANSACTIONAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One text, with the sealed number of whom it is for.

    A merchant's message opens with the key of its grant; one of the service's own (a code, a
    confirmation) carries its own wrapped key, and its text in the box.
    """

    address: Address
    grant_number: int | None
    merchant_id: str | None
    sender_id: str | None
    rank: Rank
    purpose: str
    reference: str | None = None
    state: MessageState
    reason: str | None = None
    accepted: datetime
    leaves: datetime
    valid_until: datetime
    changed: datetime
    segments: int
    attempts: int = 0
    box: bytes | None
    wrapped_key: bytes | None = None
    text: str | None = None
    grant: Address | None = field(init=False)  # where its grant lives

    def __post_init__(self) -> None:
        number = self.grant_number
        grant = None if number is None else Address(self.address.home, number)
        object.__setattr__(self, "grant", grant)  # the way of a frozen dataclass to derive a field


@dataclass(frozen=True, slots=True)
class Slot:
    """What one message takes from a cap: the moment at which it left, or is planned to."""

    number: int
    rank: Rank
    leaves: datetime
    has_left: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of a leased message. `leaves` is when it left, or when it is tried again.

    Unless it waits again, the sealed number is dropped with it.
    """

    address: Address
    attempts: int  # of the lease: another's lease is not touched (a fencing number)
    state: MessageState
    leaves: datetime
    reason: str | None = None
    gateway_id: str | None = None
    was_tried: bool = True  # whether it counts as one of its few tries
