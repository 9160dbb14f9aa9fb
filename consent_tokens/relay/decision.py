"""Whether a message may leave, and when: the whole law of the relay, on one screen.

Questions are asked in the order of docs/refusals.md; the first no is the answer. Nothing here
reads a clock, a key or a row. It is asked twice: when a message is accepted, with its token, and
again when it leaves, with the grant as it is then (promise 2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from msgspec import Struct

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.preferences import NO_PREFERENCES, Preferences
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import SMS, SendWindow
from consent_tokens.policies import RateLimit
from consent_tokens.relay.composition import ComposedText, is_displayable
from consent_tokens.relay.frequency_cap import next_allowed_at
from consent_tokens.tokens.claims import Claims

_Limit = TypeVar("_Limit")


class Reason(StrEnum):
    """Why not. The values are part of the API and never change; the order is that of asking."""

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


EXPLANATIONS: Final[dict[Reason, str]] = {
    Reason.MERCHANT_SUSPENDED: "The platform does not let this merchant send at present.",
    Reason.TOKEN_MALFORMED: "This is not a token that this service could have issued.",
    Reason.TOKEN_SIGNATURE_INVALID: "The token was not signed by this service, or was changed.",
    Reason.TOKEN_EXPIRED: "What the consumer agreed to has ended by then.",
    Reason.TOKEN_NOT_YOURS: "The token names another merchant; in other hands it is worthless.",
    Reason.CONSENT_REVOKED: "The consent was taken back. It cannot be revived; do not ask again.",
    Reason.CONSENT_PAUSED: "The consumer has paused this consent.",
    Reason.PURPOSE_NOT_GRANTED: "The consumer did not agree to messages of this purpose.",
    Reason.CHANNEL_NOT_GRANTED: "The consumer did not agree to this channel.",
    Reason.SENDER_NOT_ADMITTED: "The platform has admitted no sender for this merchant.",
    Reason.CONTENT_REJECTED: "The text holds control, bidirectional or invisible characters.",
    Reason.TEXT_TOO_LONG: "With signature and the way to refuse, the text needs too many segments.",
    Reason.CAP_REACHED: "As many messages as were agreed to have been sent in this period.",
    Reason.OUTSIDE_HOURS: "The agreed hours do not begin again while the message is valid.",
}


class Accepted(Struct, frozen=True):
    """Yes, and it may leave now."""

    send_at: datetime


class Deferred(Struct, frozen=True):
    """Yes, but it waits: for the hours to begin, or for the time the merchant named."""

    send_at: datetime


class Refused(Struct, frozen=True):
    """No; `again` is when it may be asked again, if ever."""

    reason: Reason
    next_at: datetime | None = None


Decision: TypeAlias = Accepted | Deferred | Refused


@dataclass(slots=True, kw_only=True)  # a frozen one takes twice as long to make
class Case:
    """All that a decision may depend on. Nothing changes one once it is made.

    `token` is the claims, the fault found in their place, or None once a message has been
    accepted. `slots` are the moments, ascending, at which other messages of the same class left or
    will leave under the grant; `all_slots` those of class marketing, over all merchants.
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

    # what follows from these, worked out once: every question asks for it
    claims: Claims | None = field(init=False)
    is_marketing: bool = field(init=False)  # bound by cap and hours; what is in no catalogue is too
    frequency_caps: tuple[RateLimit, ...] = field(
        init=False
    )  # all that bind: the smaller of token and row
    send_windows: tuple[SendWindow, ...] = field(init=False)
    ends_at: datetime | None = field(init=False)  # of what was agreed: by token or row, as is first
    send_at: datetime = field(init=False)  # if it may: as soon as it should and all hours are open

    def __post_init__(self) -> None:
        claims = self.token if isinstance(self.token, Claims) else None
        scopes = [party.scope for party in (self.grant, claims) if party is not None]
        ends = min([scope.ends_at for scope in scopes], default=None)
        binds = is_marketing(self.purpose)
        hours: tuple[SendWindow, ...] = ()
        caps: tuple[RateLimit, ...] = (self.transactional_cap,)
        if binds:
            hours = _distinct([scope.send_window for scope in scopes])
            caps = _distinct([scope.frequency_cap for scope in scopes])
        at = max(self.now, self.not_before)
        self.claims, self.is_marketing, self.ends_at = claims, binds, ends
        self.frequency_caps, self.send_windows = caps, hours
        self.send_at = _first_fixed_point(at, self.window_steps)

    @property
    def window_steps(self) -> "list[_Step]":
        """Return what moves a message on to hours in which it may leave."""
        steps: list[_Step] = [hours.next_open for hours in self.send_windows]
        if self.preferences.quiet_hours:
            steps.append(self.preferences.quiet_hours.next_end)
        return steps

    @property
    def recipient_limits(self) -> tuple[RateLimit, ...]:
        """Return the recipient's own limits over all merchants, if they bind."""
        return self.preferences.rate_limits if self.is_marketing else ()

    @property
    def next_allowed_at(self) -> datetime:
        """Return when it would leave if caps and hours were all that is in the way.

        Where the recipient's limit over all merchants is in the way it is told by the day: when
        another merchant's message left is nobody's business (promise 5).
        """
        caps = [_cap_step(cap, self.counted_sends) for cap in self.frequency_caps]
        limits = [_daily_limit_step(self, limit) for limit in self.recipient_limits]
        return _first_fixed_point(
            max(self.now, self.not_before), [*self.window_steps, *caps, *limits]
        )


_TRANSACTIONAL: Final = frozenset(purpose for purpose in Purpose if not purpose.is_marketing)
_Step: TypeAlias = Callable[[datetime], datetime]
MAX_SEARCH_STEPS: Final = (
    1000  # two hours of different zones may never overlap: then it never leaves
)


def is_marketing(purpose: str) -> bool:
    """Whether cap and hours bind it: what is in no catalogue is bound, too."""
    return purpose not in _TRANSACTIONAL


def _distinct(limits: Sequence[_Limit]) -> tuple[_Limit, ...]:
    """Return limits without repetition: most often token and row say the same."""
    if len(limits) > 1 and (limits[0] is limits[1] or limits[0] == limits[1]):
        return (limits[0],)
    return tuple(limits)


def _cap_step(cap: RateLimit, counted_sends: Sequence[datetime]) -> _Step:
    return lambda at: next_allowed_at(cap, counted_sends, at)


def _daily_limit_step(case: Case, limit: RateLimit) -> _Step:
    def step(at: datetime) -> datetime:
        free = next_allowed_at(limit, case.marketing_sends, at)
        if free == at:
            return at
        timezone = case.grant.scope.send_window.timezone if case.grant else at.tzinfo
        day = free.astimezone(timezone).date() + timedelta(days=1)
        return datetime.combine(day, time(), timezone).astimezone(at.tzinfo)

    return step


def _first_fixed_point(at: datetime, steps: Sequence[_Step]) -> datetime:
    """Return the first moment that every step leaves where it is; a step alone does it at once."""
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
    """Ask the operator first: a suspended merchant learns nothing of its tokens."""
    return None if case.is_merchant_active else Refused(Reason.MERCHANT_SUSPENDED)


def check_token(case: Case) -> Refused | None:
    """Refuse what is malformed or not signed by us."""
    return Refused(case.token) if isinstance(case.token, Reason) else None


def check_expiry(case: Case) -> Refused | None:
    """Refuse what has ended, or will have when the message would leave."""
    if case.ends_at is not None and case.send_at >= case.ends_at:
        return Refused(Reason.TOKEN_EXPIRED)
    return None


def check_merchant_binding(case: Case) -> Refused | None:
    """Promise 4: bound to the merchant that it names, in the token and in the row."""
    if any(each and each.merchant_id != case.merchant_id for each in (case.claims, case.grant)):
        return Refused(Reason.TOKEN_NOT_YOURS)
    return None


def check_grant(case: Case) -> Refused | None:
    """Promise 3: revocation is at once and for good. A grant that is not there was revoked."""
    if case.grant is None or case.grant.is_ended:
        return Refused(Reason.CONSENT_REVOKED)
    if case.grant.status is GrantStatus.PAUSED:
        return Refused(Reason.CONSENT_PAUSED)
    if case.is_marketing and case.preferences.is_quiet_at(case.send_at):
        return Refused(Reason.CONSENT_PAUSED)
    return None


def check_purpose_and_channel(case: Case) -> Refused | None:
    """Promise 2: purpose and channel are in the token and in the row."""
    if case.grant and case.purpose not in case.grant.scope.purposes:
        return Refused(Reason.PURPOSE_NOT_GRANTED)
    if case.claims and case.purpose not in case.claims.scope.purposes:
        return Refused(Reason.PURPOSE_NOT_GRANTED)
    if case.claims and SMS not in case.claims.channels:
        return Refused(Reason.CHANNEL_NOT_GRANTED)
    return None


def check_sender(case: Case) -> Refused | None:
    """The platform admits sender ports."""
    return None if case.has_sender else Refused(Reason.SENDER_NOT_ADMITTED)


def check_text(case: Case) -> Refused | None:
    """The text shows what it says, and is not too long."""
    if not is_displayable(case.text):
        return Refused(Reason.CONTENT_REJECTED)
    if len(case.composed.segments) > case.max_segments:
        return Refused(Reason.TEXT_TOO_LONG)
    return None


def check_frequency_caps(case: Case) -> Refused | None:
    """Promise 6: a cap is a cap, at the moment of leaving; so is a recipient's own limit."""
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
    """Refused only where it cannot wait for the hours to begin."""
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


def decide(case: Case) -> Decision:
    """Return the relay's answer."""
    for question in CHECKS:
        if refusal := question(case):
            return refusal
    send_at = case.send_at
    return Accepted(send_at) if send_at <= case.now else Deferred(send_at)
