"""Grants: the consent of one consumer to one merchant, and how its status may change."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from consent_tokens.consent.scope import Scope
from consent_tokens.errors import ConflictError
from consent_tokens.row_key import RowKey


class GrantStatus(StrEnum):
    """The status of a grant. REVOKED and EXPIRED are final: its key is deleted."""

    LIVE = "live"
    PAUSED = "paused"
    REVOKED = "revoked"
    EXPIRED = "expired"


ENDED: Final = frozenset({GrantStatus.REVOKED, GrantStatus.EXPIRED})


class EndReason(StrEnum):
    """Who or what ended a grant."""

    CONSUMER = "consumer"
    MERCHANT = "merchant"
    REPLY = "reply"
    EXPIRY = "expiry"
    NUMBER = "number"  # the number was reassigned or deactivated
    REPLACED = "replaced"  # by a newer consent to the same merchant, for the same purposes
    JOURNAL = "journal"  # revoked before a backup was restored; the journal says so


class Grant(Struct, frozen=True, kw_only=True):
    """The consent of one consumer to one merchant, and its scope; a token stands for it."""

    key: RowKey
    merchant_id: str
    scope: Scope
    language: str
    granted_at: datetime
    status: GrantStatus
    status_since: datetime

    def status_at(self, now: datetime) -> GrantStatus:
        """Return the status at `now`: past its end a grant is expired, also if not recorded yet."""
        if self.status in {GrantStatus.LIVE, GrantStatus.PAUSED} and now >= self.scope.ends_at:
            return GrantStatus.EXPIRED
        return self.status

    def is_live_at(self, now: datetime) -> bool:
        """Whether it is live or paused at `now`: not ended, and not past its end."""
        return self.status_at(now) in {GrantStatus.LIVE, GrantStatus.PAUSED}

    @property
    def is_ended(self) -> bool:
        """Whether its end is recorded and its key deleted."""
        return self.status in ENDED

    def ended(self, now: datetime, reason: EndReason) -> "Grant":
        """Return the grant, revoked or expired by `reason`; unchanged if it has ended already."""
        if self.is_ended:
            return self
        status = GrantStatus.EXPIRED if reason is EndReason.EXPIRY else GrantStatus.REVOKED
        return replace(self, status=status, status_since=now)

    def paused(self, now: datetime) -> "Grant":
        """Return the grant, paused. Raises ConflictError if it has ended."""
        return self._with_status(now, status=GrantStatus.PAUSED)

    def resumed(self, now: datetime) -> "Grant":
        """Return the grant, live again after a pause. Raises ConflictError if it has ended."""
        return self._with_status(now, status=GrantStatus.LIVE)

    def with_scope(self, now: datetime, scope: Scope) -> "Grant":
        """Return the grant with another scope. Raises ConflictError if it has ended."""
        return replace(self._with_status(now, status=self.status), scope=scope)

    def _with_status(self, now: datetime, *, status: GrantStatus) -> "Grant":
        if self.status_at(now) in ENDED:
            raise ConflictError("this consent is over")
        return self if status is self.status else replace(self, status=status, status_since=now)
