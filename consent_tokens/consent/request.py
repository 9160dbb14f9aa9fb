"""Consent requests: what a merchant asks of one consumer, and how the request is decided."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import FrequencyCap, Scope, ScopeReduction, SendWindow
from consent_tokens.consent.timezones import Timezones
from consent_tokens.errors import ConflictError, GoneError
from consent_tokens.row_key import RowKey

TOKEN_RETRIEVAL_PERIOD: Final = timedelta(hours=24)  # how long a token waits to be fetched
MAX_VALID_DAYS: Final = 1825  # five years


class RequestStatus(StrEnum):
    """The status of a consent request. All but PENDING are final."""

    PENDING = "pending"
    GRANTED = "granted"
    DECLINED = "declined"
    EXPIRED = "expired"


WITHOUT_TOKEN: Final = {  # why a request has no token
    RequestStatus.PENDING: "the consumer has not answered yet",
    RequestStatus.DECLINED: "the consumer declined",
    RequestStatus.EXPIRED: "the request expired without an answer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTerms:
    """The terms as a merchant sends them; what is None is as the rules have it by default."""

    purposes: frozenset[Purpose]
    max_messages: int | None = None
    per_days: int | None = None
    opens: str | None = None
    closes: str | None = None
    valid_days: int | None = None
    locale: str
    reference: str | None = None
    return_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedTerms:
    """The terms that a merchant requests; the consumer may agree to less, never to more."""

    purposes: frozenset[Purpose]
    frequency_cap: FrequencyCap
    opens: str
    closes: str
    valid_for: timedelta
    locale: str
    reference: str | None = None
    return_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRequest:
    """A consent request, pending until `expires_at`, and the decision on it."""

    key: RowKey
    merchant_id: str
    terms: RequestedTerms
    created_at: datetime
    expires_at: datetime
    status: RequestStatus = RequestStatus.PENDING
    decided_at: datetime | None = None
    grant_key: RowKey | None = None

    def status_at(self, now: datetime) -> RequestStatus:
        """Return the status at `now`: past `expires_at` an undecided request is expired."""
        if self.status is RequestStatus.PENDING and now >= self.expires_at:
            return RequestStatus.EXPIRED
        return self.status

    def scope_for(self, reduction: ScopeReduction, timezones: Timezones, now: datetime) -> Scope:
        """Return the scope that the consumer agrees to: the requested terms less the reduction.

        Raises ValueError if no purpose is left, if it is more than was requested, or if its hours
        are never open in all of the time zones.
        """
        terms, (timezone, *also) = self.terms, timezones
        requested = Scope(
            purposes=terms.purposes,
            frequency_cap=terms.frequency_cap,
            send_window=SendWindow.parse(terms.opens, terms.closes, timezone, tuple(also)),
            ends_at=now + terms.valid_for,
        )
        ends = now + timedelta(days=reduction.days) if reduction.days is not None else None
        return requested.narrowed_by(reduction, ends=ends)

    def declined(self, now: datetime) -> "ConsentRequest":
        """Return the request, declined. Raises ConflictError if it is not pending."""
        return replace(self._require_pending(now), status=RequestStatus.DECLINED, decided_at=now)

    def granted(self, now: datetime, *, grant_key: RowKey) -> "ConsentRequest":
        """Return the request, granted. Raises ConflictError if it is not pending."""
        return replace(
            self._require_pending(now),
            status=RequestStatus.GRANTED,
            decided_at=now,
            grant_key=grant_key,
        )

    def require_token_available(self, now: datetime) -> bool:
        """Whether the token may be fetched. Raises ConflictError before, GoneError after."""
        status = self.status_at(now)
        if status is not RequestStatus.GRANTED or self.decided_at is None:
            raise ConflictError(WITHOUT_TOKEN.get(status, "the consumer has not answered yet"))
        if now >= self.decided_at + TOKEN_RETRIEVAL_PERIOD:
            raise GoneError("the token waited 24 hours and was deleted; ask again")
        return True

    def _require_pending(self, now: datetime) -> "ConsentRequest":
        if self.status_at(now) is not RequestStatus.PENDING:
            raise ConflictError("this consent request is closed")
        return self
