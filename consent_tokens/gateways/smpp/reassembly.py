"""Long inbound messages come in pieces, in any order, and sometimes not all of them."""

from dataclasses import dataclass, field
from typing import Final

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import MobileOriginated

REASSEMBLY_TIMEOUT_SECONDS: Final = (
    30.0  # for the rest; then what has come is taken as all there is
)
MAX_INCOMPLETE: Final = 10_000  # unfinished messages; beyond it the oldest is taken as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One piece of a text that a phone sent; most texts are one piece of one."""

    number: PhoneNumber
    source: str
    text: str
    reference: int
    total: int
    part: int  # from 1

    @property
    def key(self) -> tuple[PhoneNumber, str, int, int]:
        """Return what the pieces of one message have in common."""
        return self.number, self.source, self.reference, self.total


@dataclass(slots=True)
class _IncompleteMessage:
    since: float
    segments: dict[int, Segment] = field(default_factory=dict)

    def joined(self) -> MobileOriginated:
        in_order = [self.segments[place] for place in sorted(self.segments)]
        text = "".join(piece.text for piece in in_order)
        return MobileOriginated(number=in_order[0].number, source=in_order[0].source, text=text)


@dataclass(slots=True)
class Reassembler:
    """The unfinished messages, in memory only."""

    _incomplete: dict[tuple[PhoneNumber, str, int, int], _IncompleteMessage] = field(
        default_factory=dict
    )

    def add(self, piece: Segment, now: float) -> MobileOriginated | None:
        """Take in a piece; return the message that it completes, if it does."""
        unfinished = self._incomplete.setdefault(piece.key, _IncompleteMessage(now))
        unfinished.segments[piece.part] = piece
        if len(unfinished.segments) == piece.total:
            return self._incomplete.pop(piece.key).joined()
        return None

    def expire(self, now: float) -> list[MobileOriginated]:
        """Return what no more is waited for: a stop word in the first piece is a stop word."""
        late = [
            key
            for key, each in self._incomplete.items()
            if now - each.since > REASSEMBLY_TIMEOUT_SECONDS
        ]
        surplus = max(0, len(self._incomplete) - len(late) - MAX_INCOMPLETE)
        late += [key for key in self._incomplete if key not in set(late)][:surplus]
        return [self._incomplete.pop(key).joined() for key in late]
