"""A merchant's question to one consumer, and the states it passes through."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import Cap, Hours, Less, Scope
from consent_tokens.errors import ConflictError, GoneError

TOKEN_WAITS: Final = timedelta(hours=24)  # how long a token waits to be fetched
MOST_VALID_DAYS: Final = 1825  # five years: the longest that may be asked


class RequestState(StrEnum):
    """Where a consent request stands. All but PENDING are for good."""

    PENDING = "pending"
    GRANTED = "granted"
    DECLINED = "declined"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a merchant asks for: the most that the consumer may agree to."""

    purposes: frozenset[Purpose]
    cap: Cap
    opens: str
    closes: str
    valid_for: timedelta
    locale: str
    reference: str | None = None
    return_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRequest:
    """A question, open until `expires`, and what became of it."""

    home: int
    number: int
    merchant_id: str
    question: Question
    asked: datetime
    expires: datetime
    state: RequestState = RequestState.PENDING
    decided: datetime | None = None
    grant_home: int | None = None
    grant_number: int | None = None

    def standing(self, now: datetime) -> RequestState:
        """Return the state as it is now: a question that nobody answered expires by itself."""
        if self.state is RequestState.PENDING and now >= self.expires:
            return RequestState.EXPIRED
        return self.state

    def scope_for(self, less: Less, zone: ZoneInfo, now: datetime) -> Scope:
        """Return what is agreed: what the consumer ticked and chose, never more than was asked.

        Raises ValueError if nothing was ticked, or more was chosen than was asked.
        """
        question = self.question
        asked = Scope(
            purposes=question.purposes,
            cap=question.cap,
            hours=Hours.parse(question.opens, question.closes, zone),
            ends=now + question.valid_for,
        )
        ends = now + timedelta(days=less.days) if less.days is not None else None
        return asked.narrowed(less, ends=ends)

    def declined(self, now: datetime) -> "ConsentRequest":
        """Return the request, declined. Raises ConflictError if it was answered or has expired."""
        return replace(self._open(now), state=RequestState.DECLINED, decided=now)

    def granted(self, now: datetime, *, grant_home: int, grant_number: int) -> "ConsentRequest":
        """Return the request, granted. Raises ConflictError if it was answered or has expired."""
        return replace(
            self._open(now),
            state=RequestState.GRANTED,
            decided=now,
            grant_home=grant_home,
            grant_number=grant_number,
        )

    def token_waits(self, now: datetime) -> bool:
        """Whether the token may be fetched. Raises ConflictError before, GoneError after."""
        if self.standing(now) is not RequestState.GRANTED or self.decided is None:
            raise ConflictError("this consent request has no yes")
        if now >= self.decided + TOKEN_WAITS:
            raise GoneError("the token waited 24 hours and is gone; ask again")
        return True

    def _open(self, now: datetime) -> "ConsentRequest":
        if self.standing(now) is not RequestState.PENDING:
            raise ConflictError("this consent request is closed")
        return self
