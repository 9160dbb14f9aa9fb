"""A grant: one consumer's live yes to one merchant, and the only ways in which it may change."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from consent_tokens.consent.scope import Scope
from consent_tokens.errors import ConflictError
from consent_tokens.row_key import RowKey


class GrantStatus(StrEnum):
    """Where a grant stands. REVOKED and EXPIRED are for good: its key is gone."""

    LIVE = "live"
    PAUSED = "paused"
    REVOKED = "revoked"
    EXPIRED = "expired"


class EndReason(StrEnum):
    """Who or what ended a grant."""

    CONSUMER = "consumer"
    MERCHANT = "merchant"
    REPLY = "reply"
    EXPIRY = "expiry"
    NUMBER = "number"  # the number is another person's now, or nobody's
    JOURNAL = "journal"  # it had been ended before, in a database that was lost


class Grant(Struct, frozen=True, kw_only=True):
    """What one consumer has agreed to with one merchant; the row behind a token."""

    key: RowKey
    merchant_id: str
    scope: Scope
    language: str
    granted_at: datetime
    status: GrantStatus
    status_since: datetime

    def status_at(self, now: datetime) -> GrantStatus:
        """Return the status as it is now: past its end a grant has expired, told or not."""
        if self.status in {GrantStatus.LIVE, GrantStatus.PAUSED} and now >= self.scope.ends_at:
            return GrantStatus.EXPIRED
        return self.status

    @property
    def is_ended(self) -> bool:
        """Whether its end was recorded and its key destroyed."""
        return self.status in {GrantStatus.REVOKED, GrantStatus.EXPIRED}

    def ended(self, now: datetime, reason: EndReason) -> "Grant":
        """Return the grant, ended. Ending an ended grant changes nothing."""
        if self.is_ended:
            return self
        status = GrantStatus.EXPIRED if reason is EndReason.EXPIRY else GrantStatus.REVOKED
        return replace(self, status=status, status_since=now)

    def paused(self, now: datetime) -> "Grant":
        """Return the grant, paused. Raises ConflictError if it is over."""
        return self._with_status(now, status=GrantStatus.PAUSED)

    def resumed(self, now: datetime) -> "Grant":
        """Return the grant, live again after a pause. Raises ConflictError if it is over."""
        return self._with_status(now, status=GrantStatus.LIVE)

    def with_scope(self, now: datetime, scope: Scope) -> "Grant":
        """Return the grant with another scope. Raises ConflictError if it is over."""
        return replace(self._with_status(now, status=self.status), scope=scope)

    def _with_status(self, now: datetime, *, status: GrantStatus) -> "Grant":
        if self.status_at(now) in {GrantStatus.REVOKED, GrantStatus.EXPIRED}:
            raise ConflictError("this consent is over")
        return self if status is self.status else replace(self, status=status, status_since=now)
