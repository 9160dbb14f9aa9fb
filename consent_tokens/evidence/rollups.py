"""Rollups: what is counted of each day, for all merchants and for each merchant, sender, template.

A count names no recipient. Days are of UTC. What became of a text counts on the day on which it was
passed to the gateway, however late the delivery report comes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
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


def of_messages(
    messages: Iterable[Message], measure: Measure, at: datetime, reason: str = ""
) -> Counter[Counted]:
    """Return the counts of messages at a time; of those that count for nobody, none."""
    groups = Counter((m.merchant_id, m.sender_id, m.template_id, m.purpose) for m in messages)
    day = day_of(at)
    return Counter(
        {
            Counted(day, of, measure, reason): number
            for group, number in groups.items()
            if (of := counted_for(*group))
        }
    )


def of_outcomes(pairs: Iterable[tuple[Message, MessageOutcome]], now: datetime) -> Counter[Counted]:
    """Return the counts of outcomes at dispatch; of messages that wait again, none."""
    counts: Counter[Counted] = Counter()
    # counted in groups, because a round has hundreds that are alike
    groups = Counter(
        ((m.merchant_id, m.sender_id, m.template_id, m.purpose), o.status, o.reason,
         day_of(o.send_at))
        for m, o in pairs
    )  # fmt: skip
    today = day_of(now)
    for (group, status, reason, sent_on), number in groups.items():
        if of := counted_for(*group):
            for counted in _of_outcome(of, status, reason, sent_on, today):
                counts[counted] += number
    return counts


def _of_outcome(
    of: CountedFor, status: MessageStatus, reason: str | None, sent_on: int, today: int
) -> Iterator[Counted]:
    match status:
        case MessageStatus.SENT | MessageStatus.UNKNOWN:
            yield Counted(sent_on, of, Measure.SENT)
        case MessageStatus.UNDELIVERABLE:
            yield Counted(sent_on, of, Measure.SENT)
            yield Counted(sent_on, of, Measure.UNDELIVERED)
        case MessageStatus.REFUSED:
            yield Counted(today, of, Measure.REFUSED, reason or "")
        case MessageStatus.EXPIRED:
            yield Counted(today, of, Measure.REFUSED, EXPIRED)
        case _:
            return
