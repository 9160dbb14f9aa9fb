"""Rollups: what is counted of each day, for all merchants and for each merchant, sender, template.

A count names no recipient. Days are of UTC. What became of a text counts on the day on which it was
passed to the gateway, however late the delivery report comes.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from consent_tokens.consent.purposes import Purpose
from consent_tokens.relay.message import Message, MessageOutcome, MessageStatus
from consent_tokens.relay.pacing import day_of
from consent_tokens.relay.sandbox import is_sandbox

EXPIRED: Final = "expired"  # the reason of what was accepted and not sent before it expired


class Measure(StrEnum):
    """What is counted."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # at submission or later, or expired: by reason
    SENT = "sent"  # passed to the gateway
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"  # of what was sent
    STOPS = "stops"  # people who stopped a merchant, for the text that they got last
    COMPLAINTS = "complaints"
    GAINED = "gained"  # consents
    LOST = "lost"  # consents: by what ended them


BY_REASON: Final = frozenset({Measure.REFUSED, Measure.LOST})


class CountedFor(NamedTuple):
    """What a count belongs to: a merchant, and what of the others is known."""

    merchant_id: str
    sender_id: str = ""
    template_id: str = ""
    purpose: str = ""


class Counted(NamedTuple):
    """One thing to count."""

    day: int  # of UTC, since 1970
    of: CountedFor
    measure: Measure
    reason: str = ""


def known_purpose(purpose: str) -> str:
    """Return a purpose of the catalogue; nothing for others, of which there may be any number."""
    return purpose if purpose in Purpose else ""


def counted_for(
    merchant_id: str | None,
    sender_id: str | None = None,
    template_id: str | None = None,
    purpose: str | None = None,
) -> CountedFor | None:
    """Return what something counts for; None for the service's own, and for that of sandboxes."""
    if merchant_id is None or is_sandbox(merchant_id):
        return None
    return CountedFor(merchant_id, sender_id or "", template_id or "", known_purpose(purpose or ""))


def for_message(message: Message) -> CountedFor | None:
    """Return what a message counts for, if for anything."""
    return counted_for(message.merchant_id, message.sender_id, message.template_id, message.purpose)


def of_message(
    message: Message, measure: Measure, at: datetime, reason: str = ""
) -> Iterator[Counted]:
    """Return that a message is counted at a time; nothing if none of its merchants is."""
    if of := for_message(message):
        yield Counted(day_of(at), of, measure, reason)


def of_outcome(message: Message, outcome: MessageOutcome, now: datetime) -> Iterator[Counted]:
    """Return what is counted of an outcome at dispatch; nothing while the message waits."""
    match outcome.status:
        case MessageStatus.SENT | MessageStatus.UNKNOWN:
            yield from of_message(message, Measure.SENT, outcome.send_at)
        case MessageStatus.UNDELIVERABLE:
            yield from of_message(message, Measure.SENT, outcome.send_at)
            yield from of_message(message, Measure.UNDELIVERED, outcome.send_at)
        case MessageStatus.REFUSED:
            yield from of_message(message, Measure.REFUSED, now, outcome.reason or "")
        case MessageStatus.EXPIRED:
            yield from of_message(message, Measure.REFUSED, now, EXPIRED)
        case _:
            return
