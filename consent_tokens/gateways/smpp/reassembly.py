"""Long inbound messages come in pieces, in any order, and sometimes not all of them."""

from dataclasses import dataclass, field
from typing import Final

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import Inbound

WAIT_SECONDS: Final = 30.0  # for the rest; then what has come is taken as all there is
MOST_OPEN: Final = 10_000  # unfinished messages; beyond it the oldest is taken as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One piece of a text that a phone sent; most texts are one piece of one."""

    number: PhoneNumber
    source: str
    text: str
    reference: int
    total: int
    place: int  # from 1

    @property
    def key(self) -> tuple[PhoneNumber, str, int, int]:
        """Return what the pieces of one message have in common."""
        return self.number, self.source, self.reference, self.total


@dataclass(slots=True)
class _Unfinished:
    since: float
    pieces: dict[int, Piece] = field(default_factory=dict)

    def joined(self) -> Inbound:
        in_order = [self.pieces[place] for place in sorted(self.pieces)]
        text = "".join(piece.text for piece in in_order)
        return Inbound(number=in_order[0].number, source=in_order[0].source, text=text)


@dataclass(slots=True)
class Pieces:
    """The unfinished messages, in memory only."""

    _open: dict[tuple[PhoneNumber, str, int, int], _Unfinished] = field(default_factory=dict)

    def put(self, piece: Piece, now: float) -> Inbound | None:
        """Take in a piece; return the message that it completes, if it does."""
        unfinished = self._open.setdefault(piece.key, _Unfinished(now))
        unfinished.pieces[piece.place] = piece
        if len(unfinished.pieces) == piece.total:
            return self._open.pop(piece.key).joined()
        return None

    def overdue(self, now: float) -> list[Inbound]:
        """Return what no more is waited for: a stop word in the first piece is a stop word."""
        late = [key for key, each in self._open.items() if now - each.since > WAIT_SECONDS]
        surplus = max(0, len(self._open) - len(late) - MOST_OPEN)
        late += [key for key in self._open if key not in set(late)][:surplus]
        return [self._open.pop(key).joined() for key in late]
