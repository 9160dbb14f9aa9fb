"""Decides whether a message may be sent, and when: an ordered table of checks.

The checks run in the order of docs/refusals.md; the first refusal is the decision. Pure: no clock,
key or row is read here. Each message is decided twice: when it is accepted, with its token, and
when it is dispatched, with the grant as it is then (promise 2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from msgspec import Struct

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.preferences import NO_PREFERENCES, Preferences
from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.consent.scope import SMS, SendWindow
from consent_tokens.policies import RateLimit
from consent_tokens.relay.composition import ComposedText, is_displayable
from consent_tokens.relay.frequency_cap import next_allowed_at
from consent_tokens.relay.text_form import TextFault, check_form
from consent_tokens.tokens.claims import Claims

_Limit = TypeVar("_Limit")


class Reason(StrEnum):
    """Why a message is refused, in the order in which it is checked.

    The values are part of the API and never change; `web.reasons` says what they mean.
    """

    MERCHANT_SUSPENDED = "merchant_suspended"
    TOKEN_MALFORMED = "token_malformed"  # noqa: S105 - a code, not a secret
    TOKEN_SIGNATURE_INVALID = "token_signature_invalid"  # noqa: S105 - a code, not a secret
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a code, not a secret
    TOKEN_NOT_YOURS = "token_not_yours"  # noqa: S105 - a code, not a secret
    CONSENT_REVOKED = "consent_revoked"
    CONSENT_PAUSED = "consent_paused"
    PURPOSE_NOT_GRANTED = "purpose_not_granted"
    CHANNEL_NOT_GRANTED = "channel_not_granted"
    SENDER_NOT_ADMITTED = "sender_not_admitted"
    CONTENT_REJECTED = "content_rejected"
    TEXT_TOO_LONG = "text_too_long"
    CAP_REACHED = "cap_reached"
    OUTSIDE_HOURS = "outside_hours"


class Accepted(Struct, frozen=True):
    """The message may be sent now."""

    send_at: datetime


class Deferred(Struct, frozen=True):
    """The message may be sent at `send_at`: when its window opens, or as the merchant planned."""

    send_at: datetime


class Refused(Struct, frozen=True):
    """The message may not be sent; `next_at` is when it could be, if that is known."""

    reason: Reason
    next_at: datetime | None = None
    text_fault: TextFault | None = None  # of `content_rejected`


Decision: TypeAlias = Accepted | Deferred | Refused


@dataclass(slots=True, kw_only=True)  # frozen would take twice as long to create
class Case:
    """The input of a decision; not changed once it is created.

    `token` is the claims, the reason why it is invalid, or None once the message has been accepted.
    `counted_sends` are the times, ascending, of the other messages of the same class under the
    grant, sent or planned; `marketing_sends` those of class marketing, of all merchants.
    """

    merchant_id: str
    is_merchant_active: bool
    has_sender: bool
    token: Claims | Reason | None
    grant: Grant | None
    purpose: str
    text: str
    composed: ComposedText
    max_segments: int
    counted_sends: Sequence[datetime]
    transactional_cap: RateLimit
    not_before: datetime
    valid_until: datetime
    now: datetime
    preferences: Preferences = NO_PREFERENCES
    marketing_sends: Sequence[datetime] = ()
    link_domains: frozenset[str] = frozenset()  # that the merchant has registered
    more_windows: tuple[SendWindow, ...] = ()  # besides those of token and row

    # derived once, because several checks need them
    claims: Claims | None = field(init=False)
    is_limited: bool = field(init=False)  # also of a purpose that is not in the catalogue
    frequency_caps: tuple[RateLimit, ...] = field(init=False)  # of token and row: both bind
    send_windows: tuple[SendWindow, ...] = field(init=False)
    ends_at: datetime | None = field(init=False)  # the earlier end of token and row
    send_at: datetime = field(init=False)  # the first time when all windows are open

    def __post_init__(self) -> None:
        claims = self.token if isinstance(self.token, Claims) else None
        scopes = [party.scope for party in (self.grant, claims) if party is not None]
        ends = min([scope.ends_at for scope in scopes], default=None)
        is_bound = is_limited(self.purpose)
        windows: tuple[SendWindow, ...] = ()
        caps: tuple[RateLimit, ...] = (self.transactional_cap,)
        if is_bound:
            windows = (*_distinct([scope.send_window for scope in scopes]), *self.more_windows)
            caps = _distinct([scope.frequency_cap for scope in scopes])
        at = max(self.now, self.not_before)
        self.claims, self.is_limited, self.ends_at = claims, is_bound, ends
        self.frequency_caps, self.send_windows = caps, windows
        self.send_at = _first_fixed_point(at, self.window_steps)

    @property
    def window_steps(self) -> "list[_Step]":
        """Return the steps that move a time into send windows and out of quiet hours."""
        steps: list[_Step] = [window.next_open for window in self.send_windows]
        if self.preferences.quiet_hours:
            steps.append(self.preferences.quiet_hours.next_end)
        return steps

    @property
    def recipient_limits(self) -> tuple[RateLimit, ...]:
        """Return the recipient's own limits over all merchants; they bind marketing only."""
        return self.preferences.rate_limits if self.is_limited else ()

    @property
    def next_allowed_at(self) -> datetime:
        """Return when it could be sent as far as caps, limits and windows are concerned.

        The recipient's limits over all merchants move it by whole days, so that it does not reveal
        when another merchant's message was sent (promise 5).
        """
        caps = [_cap_step(cap, self.counted_sends) for cap in self.frequency_caps]
        limits = [_daily_limit_step(self, limit) for limit in self.recipient_limits]
        return _first_fixed_point(
            max(self.now, self.not_before), [*self.window_steps, *caps, *limits]
        )


_Step: TypeAlias = Callable[[datetime], datetime]
MAX_SEARCH_STEPS: Final = 1000  # windows in different time zones may never overlap


def class_of(purpose: str) -> PurposeClass:
    """Return the class of a purpose; one that is not in the catalogue counts as marketing."""
    return Purpose(purpose).purpose_class if purpose in Purpose else PurposeClass.MARKETING


def is_limited(purpose: str) -> bool:
    """Whether cap and send window bind a purpose: also one that is not in the catalogue."""
    return class_of(purpose).is_limited


def _distinct(limits: Sequence[_Limit]) -> tuple[_Limit, ...]:
    """Return at most two limits without repetition: token and row mostly have the same."""
    if len(limits) > 1 and (limits[0] is limits[1] or limits[0] == limits[1]):
        return (limits[0],)
    return tuple(limits)


def _cap_step(cap: RateLimit, counted_sends: Sequence[datetime]) -> _Step:
    return lambda at: next_allowed_at(cap, counted_sends, at)


def _daily_limit_step(case: Case, limit: RateLimit) -> _Step:
    def step(at: datetime) -> datetime:
        allowed_at = next_allowed_at(limit, case.marketing_sends, at)
        if allowed_at == at:
            return at
        timezone = case.grant.scope.send_window.timezone if case.grant else at.tzinfo
        day = allowed_at.astimezone(timezone).date() + timedelta(days=1)
        return datetime.combine(day, time(), timezone).astimezone(at.tzinfo)

    return step


def _first_fixed_point(at: datetime, steps: Sequence[_Step]) -> datetime:
    """Return the first time, from `at` on, that no step moves any further."""
    if len(steps) == 1:
        return steps[0](at)
    for _ in range(MAX_SEARCH_STEPS):
        before = at
        for step in steps:
            at = step(at)
        if at == before:
            return at
    return at


def check_merchant(case: Case) -> Refused | None:
    """Refuse a suspended merchant, before it learns anything about its token."""
    return None if case.is_merchant_active else Refused(Reason.MERCHANT_SUSPENDED)


def check_token(case: Case) -> Refused | None:
    """Refuse a token that is malformed or not signed by this service."""
    return Refused(case.token) if isinstance(case.token, Reason) else None


def check_expiry(case: Case) -> Refused | None:
    """Refuse if token or grant will have ended at `send_at`."""
    if case.ends_at is not None and case.send_at >= case.ends_at:
        return Refused(Reason.TOKEN_EXPIRED)
    return None


def check_merchant_binding(case: Case) -> Refused | None:
    """Refuse a token or grant of another merchant (promise 4)."""
    if any(each and each.merchant_id != case.merchant_id for each in (case.claims, case.grant)):
        return Refused(Reason.TOKEN_NOT_YOURS)
    return None


def check_grant(case: Case) -> Refused | None:
    """Refuse without a live grant, or in a quiet period (promise 3). A missing one was revoked."""
    if case.grant is None or case.grant.is_ended:
        return Refused(Reason.CONSENT_REVOKED)
    if case.grant.status is GrantStatus.PAUSED:
        return Refused(Reason.CONSENT_PAUSED)
    if case.is_limited and case.preferences.is_quiet_at(case.send_at):
        return Refused(Reason.CONSENT_PAUSED)
    return None


def check_purpose_and_channel(case: Case) -> Refused | None:
    """Refuse a purpose or channel that token or grant does not cover (promise 2)."""
    if case.grant and case.purpose not in case.grant.scope.purposes:
        return Refused(Reason.PURPOSE_NOT_GRANTED)
    if case.claims and case.purpose not in case.claims.scope.purposes:
        return Refused(Reason.PURPOSE_NOT_GRANTED)
    if case.claims and SMS not in case.claims.channels:
        return Refused(Reason.CHANNEL_NOT_GRANTED)
    return None


def check_sender(case: Case) -> Refused | None:
    """Refuse a merchant without an admitted sender."""
    return None if case.has_sender else Refused(Reason.SENDER_NOT_ADMITTED)


def check_text(case: Case) -> Refused | None:
    """Refuse a text with invisible characters, of a misleading form, or with too many segments.

    The form is checked at acceptance: what it is checked against may change afterwards.
    """
    if not is_displayable(case.text):
        return Refused(Reason.CONTENT_REJECTED, text_fault=TextFault.INVISIBLE)
    if case.token is not None and (fault := check_form(case.text, case.link_domains)):
        return Refused(Reason.CONTENT_REJECTED, text_fault=fault)
    if len(case.composed.segments) > case.max_segments:
        return Refused(Reason.TEXT_TOO_LONG)
    return None


def check_frequency_caps(case: Case) -> Refused | None:
    """Refuse beyond a frequency cap or a limit of the recipient, as of `send_at` (promise 6)."""
    send_at = case.send_at
    fits = all(
        next_allowed_at(cap, case.counted_sends, send_at) == send_at for cap in case.frequency_caps
    )
    if fits and all(
        next_allowed_at(each, case.marketing_sends, send_at) == send_at
        for each in case.recipient_limits
    ):
        return None
    return Refused(Reason.CAP_REACHED, case.next_allowed_at)


def check_send_window(case: Case) -> Refused | None:
    """Refuse if the send window does not open within the validity of the message."""
    if case.send_at >= case.valid_until:
        return Refused(Reason.OUTSIDE_HOURS, case.send_at)
    return None


CHECKS: Final[tuple[Callable[[Case], Refused | None], ...]] = (
    check_merchant,
    check_token,
    check_expiry,
    check_merchant_binding,
    check_grant,
    check_purpose_and_channel,
    check_sender,
    check_text,
    check_frequency_caps,
    check_send_window,
)


# an invitation leaves under a grant for other purposes, which it asks to add to (promise 12)
INVITATION_CHECKS: Final = tuple(each for each in CHECKS if each is not check_purpose_and_channel)


def decide(case: Case) -> Decision:
    """Return the decision on a message."""
    return _decide(case, CHECKS)


def decide_invitation(case: Case) -> Decision:
    """Return the decision on an invitation: all that binds marketing binds it, but the purpose."""
    return _decide(case, INVITATION_CHECKS)


def _decide(case: Case, checks: Sequence[Callable[[Case], Refused | None]]) -> Decision:
    for check in checks:
        if refusal := check(case):
            return refusal
    send_at = case.send_at
    return Accepted(send_at) if send_at <= case.now else Deferred(send_at)
