"""A grant: one consumer's live yes to one merchant, and the only ways in which it may change."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from consent_tokens.consent.scope import Scope
from consent_tokens.errors import ConflictError


class GrantState(StrEnum):
    """Where a grant stands. REVOKED and EXPIRED are for good: its key is gone."""

    LIVE = "live"
    PAUSED = "paused"
    REVOKED = "revoked"
    EXPIRED = "expired"


class EndedBy(StrEnum):
    """Who or what ended a grant."""

    CONSUMER = "consumer"
    MERCHANT = "merchant"
    REPLY = "reply"
    EXPIRY = "expiry"
    NUMBER = "number"  # the number is another person's now, or nobody's
    JOURNAL = "journal"  # it had been ended before, in a database that was lost


class Grant(Struct, frozen=True, kw_only=True):
    """The row of truth behind a token, at the address (home, number)."""

    home: int
    number: int
    merchant_id: str
    scope: Scope
    language: str
    granted: datetime
    state: GrantState
    since: datetime

    def standing(self, now: datetime) -> GrantState:
        """Return the state as it is now: past its end a grant has expired, told or not."""
        if self.state in {GrantState.LIVE, GrantState.PAUSED} and now >= self.scope.ends:
            return GrantState.EXPIRED
        return self.state

    @property
    def is_over(self) -> bool:
        """Whether its end was recorded and its key destroyed."""
        return self.state in {GrantState.REVOKED, GrantState.EXPIRED}

    def ended(self, now: datetime, by: EndedBy) -> "Grant":
        """Return the grant, ended. Ending an ended grant changes nothing."""
        if self.is_over:
            return self
        state = GrantState.EXPIRED if by is EndedBy.EXPIRY else GrantState.REVOKED
        return replace(self, state=state, since=now)

    def paused(self, now: datetime) -> "Grant":
        """Return the grant, paused. Raises ConflictError if it is over."""
        return self._put(now, state=GrantState.PAUSED)

    def resumed(self, now: datetime) -> "Grant":
        """Return the grant, live again after a pause. Raises ConflictError if it is over."""
        return self._put(now, state=GrantState.LIVE)

    def rescoped(self, now: datetime, scope: Scope) -> "Grant":
        """Return the grant with another scope. Raises ConflictError if it is over."""
        return replace(self._put(now, state=self.state), scope=scope)

    def _put(self, now: datetime, *, state: GrantState) -> "Grant":
        if self.standing(now) in {GrantState.REVOKED, GrantState.EXPIRED}:
            raise ConflictError("this consent is over")
        return self if state is self.state else replace(self, state=state, since=now)
