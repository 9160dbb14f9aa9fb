"""Reassembly of long inbound messages: segments arrive in any order, and some never do."""

from dataclasses import dataclass, field
from typing import Final

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import MobileOriginated, UnreadableInbound, UnreadableReason
from consent_tokens.gateways.inbound_text import TextPart, read_text

REASSEMBLY_TIMEOUT_SECONDS: Final = 30.0  # then the segments that arrived are the message
MAX_INCOMPLETE: Final = 10_000  # messages; beyond it the oldest is returned as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment of an inbound message. Most messages have one segment."""

    number: PhoneNumber
    source: str
    content: TextPart
    data_coding: int
    reference: int
    total: int
    part: int  # from 1

    @property
    def key(self) -> tuple[PhoneNumber, str, int, int]:
        """Return what the segments of one message have in common."""
        return self.number, self.source, self.reference, self.total


@dataclass(slots=True)
class _IncompleteMessage:
    since: float
    segments: dict[int, Segment] = field(default_factory=dict)

    def joined(self) -> MobileOriginated | UnreadableInbound:
        """Return the message in the segments; a character may be split between two of them."""
        in_order = [self.segments[part] for part in sorted(self.segments)]
        first = in_order[0]
        readings = read_text([segment.content for segment in in_order], first.data_coding)
        if not readings.is_readable:
            return UnreadableInbound(UnreadableReason.TEXT)
        return MobileOriginated(
            number=first.number,
            source=first.source,
            text=readings.text,
            alternatives=readings.alternatives,
        )


@dataclass(slots=True)
class Reassembler:
    """The incomplete messages, in memory only."""

    _incomplete: dict[tuple[PhoneNumber, str, int, int], _IncompleteMessage] = field(
        default_factory=dict
    )

    def add(self, segment: Segment, now: float) -> MobileOriginated | UnreadableInbound | None:
        """Add a segment; return the message that it completes, or None."""
        message = self._incomplete.setdefault(segment.key, _IncompleteMessage(now))
        message.segments[segment.part] = segment
        if len(message.segments) == segment.total:
            return self._incomplete.pop(segment.key).joined()
        return None

    def expire(self, now: float) -> list[MobileOriginated | UnreadableInbound]:
        """Return the messages that timed out, incomplete: a STOP in the first segment counts."""
        expired = [
            key
            for key, each in self._incomplete.items()
            if now - each.since > REASSEMBLY_TIMEOUT_SECONDS
        ]
        surplus = max(0, len(self._incomplete) - len(expired) - MAX_INCOMPLETE)
        expired += [key for key in self._incomplete if key not in set(expired)][:surplus]
        return [self._incomplete.pop(key).joined() for key in expired]
