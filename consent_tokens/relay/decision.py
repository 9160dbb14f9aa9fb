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

from consent_tokens.consent.grant import Grant, GrantState
from consent_tokens.consent.preferences import NO_WISHES, Wishes
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.scope import SMS, Hours
from consent_tokens.relay.composition import Composed, is_clean
from consent_tokens.relay.frequency_cap import Cap, next_free
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

    leaves: datetime


class Deferred(Struct, frozen=True):
    """Yes, but it waits: for the hours to begin, or for the time the merchant named."""

    leaves: datetime


class Refused(Struct, frozen=True):
    """No; `again` is when it may be asked again, if ever."""

    reason: Reason
    again: datetime | None = None


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
    composed: Composed
    most_segments: int
    slots: Sequence[datetime]
    transactional_cap: Cap
    earliest: datetime
    valid_until: datetime
    now: datetime
    wishes: Wishes = NO_WISHES
    all_slots: Sequence[datetime] = ()

    # what follows from these, worked out once: every question asks for it
    claims: Claims | None = field(init=False)
    is_marketing: bool = field(init=False)  # bound by cap and hours; what is in no catalogue is too
    caps: tuple[Cap, ...] = field(init=False)  # all that bind: the smaller of token and row
    hours: tuple[Hours, ...] = field(init=False)
    ends: datetime | None = field(init=False)  # of what was agreed: by token or row, as is first
    leaves: datetime = field(init=False)  # if it may: as soon as it should and all hours are open

    def __post_init__(self) -> None:
        claims = self.token if isinstance(self.token, Claims) else None
        scopes = [party.scope for party in (self.grant, claims) if party is not None]
        ends = min([scope.ends for scope in scopes], default=None)
        binds = is_marketing(self.purpose)
        hours: tuple[Hours, ...] = ()
        caps: tuple[Cap, ...] = (self.transactional_cap,)
        if binds:
            hours = _both([scope.hours for scope in scopes])
            caps = _both([scope.cap for scope in scopes])
        at = max(self.now, self.earliest)
        self.claims, self.is_marketing, self.ends = claims, binds, ends
        self.caps, self.hours = caps, hours
        self.leaves = _settled(at, self.steps)

    @property
    def steps(self) -> "list[_Step]":
        """Return what moves a message on to hours in which it may leave."""
        steps: list[_Step] = [hours.next_open for hours in self.hours]
        if self.wishes.rest:
            steps.append(self.wishes.rest.next_awake)
        return steps

    @property
    def limits(self) -> tuple[Cap, ...]:
        """Return the recipient's own limits over all merchants, if they bind."""
        return self.wishes.limits if self.is_marketing else ()

    @property
    def next_free(self) -> datetime:
        """Return when it would leave if caps and hours were all that is in the way.

        Where the recipient's limit over all merchants is in the way it is told by the day: when
        another merchant's message left is nobody's business (promise 5).
        """
        caps = [_freed(cap, self.slots) for cap in self.caps]
        limits = [_freed_by_day(self, limit) for limit in self.limits]
        return _settled(max(self.now, self.earliest), [*self.steps, *caps, *limits])


_TRANSACTIONAL: Final = frozenset(purpose for purpose in Purpose if not purpose.is_marketing)
_Step: TypeAlias = Callable[[datetime], datetime]
MOST_ROUNDS: Final = 1000  # two hours of different zones may never overlap: then it never leaves


def is_marketing(purpose: str) -> bool:
    """Whether cap and hours bind it: what is in no catalogue is bound, too."""
    return purpose not in _TRANSACTIONAL


def _both(limits: Sequence[_Limit]) -> tuple[_Limit, ...]:
    """Return limits without repetition: most often token and row say the same."""
    if len(limits) > 1 and (limits[0] is limits[1] or limits[0] == limits[1]):
        return (limits[0],)
    return tuple(limits)


def _freed(cap: Cap, slots: Sequence[datetime]) -> _Step:
    return lambda at: next_free(cap, slots, at)


def _freed_by_day(case: Case, limit: Cap) -> _Step:
    def step(at: datetime) -> datetime:
        free = next_free(limit, case.all_slots, at)
        if free == at:
            return at
        zone = case.grant.scope.hours.zone if case.grant else at.tzinfo
        day = free.astimezone(zone).date() + timedelta(days=1)
        return datetime.combine(day, time(), zone).astimezone(at.tzinfo)

    return step


def _settled(at: datetime, steps: Sequence[_Step]) -> datetime:
    """Return the first moment that every step leaves where it is; a step alone does it at once."""
    if len(steps) == 1:
        return steps[0](at)
    for _ in range(MOST_ROUNDS):
        before = at
        for step in steps:
            at = step(at)
        if at == before:
            return at
    return at


def is_merchant_active(case: Case) -> Refused | None:
    """Ask the operator first: a suspended merchant learns nothing of its tokens."""
    return None if case.is_merchant_active else Refused(Reason.MERCHANT_SUSPENDED)


def is_sound(case: Case) -> Refused | None:
    """Refuse what is malformed or not signed by us."""
    return Refused(case.token) if isinstance(case.token, Reason) else None


def is_current(case: Case) -> Refused | None:
    """Refuse what has ended, or will have when the message would leave."""
    if case.ends is not None and case.leaves >= case.ends:
        return Refused(Reason.TOKEN_EXPIRED)
    return None


def is_yours(case: Case) -> Refused | None:
    """Promise 4: bound to the merchant that it names, in the token and in the row."""
    if any(each and each.merchant_id != case.merchant_id for each in (case.claims, case.grant)):
        return Refused(Reason.TOKEN_NOT_YOURS)
    return None


def is_live(case: Case) -> Refused | None:
    """Promise 3: revocation is at once and for good. A grant that is not there was revoked."""
    if case.grant is None or case.grant.is_over:
        return Refused(Reason.CONSENT_REVOKED)
    if case.grant.state is GrantState.PAUSED:
        return Refused(Reason.CONSENT_PAUSED)
    if case.is_marketing and case.wishes.is_calm(case.leaves):
        return Refused(Reason.CONSENT_PAUSED)
    return None


def is_for_this(case: Case) -> Refused | None:
    """Promise 2: purpose and channel are in the token and in the row."""
    if case.grant and case.purpose not in case.grant.scope.purposes:
        return Refused(Reason.PURPOSE_NOT_GRANTED)
    if case.claims and case.purpose not in case.claims.scope.purposes:
        return Refused(Reason.PURPOSE_NOT_GRANTED)
    if case.claims and SMS not in case.claims.channels:
        return Refused(Reason.CHANNEL_NOT_GRANTED)
    return None


def is_admitted(case: Case) -> Refused | None:
    """The platform admits sender ports."""
    return None if case.has_sender else Refused(Reason.SENDER_NOT_ADMITTED)


def is_fit(case: Case) -> Refused | None:
    """The text shows what it says, and is not too long."""
    if not is_clean(case.text):
        return Refused(Reason.CONTENT_REJECTED)
    if len(case.composed.segments) > case.most_segments:
        return Refused(Reason.TEXT_TOO_LONG)
    return None


def is_within_cap(case: Case) -> Refused | None:
    """Promise 6: a cap is a cap, at the moment of leaving; so is a recipient's own limit."""
    leaves = case.leaves
    fits = all(next_free(cap, case.slots, leaves) == leaves for cap in case.caps)
    if fits and all(next_free(each, case.all_slots, leaves) == leaves for each in case.limits):
        return None
    return Refused(Reason.CAP_REACHED, case.next_free)


def is_in_hours(case: Case) -> Refused | None:
    """Refused only where it cannot wait for the hours to begin."""
    if case.leaves >= case.valid_until:
        return Refused(Reason.OUTSIDE_HOURS, case.leaves)
    return None


QUESTIONS: Final[tuple[Callable[[Case], Refused | None], ...]] = (
    is_merchant_active,
    is_sound,
    is_current,
    is_yours,
    is_live,
    is_for_this,
    is_admitted,
    is_fit,
    is_within_cap,
    is_in_hours,
)


def decide(case: Case) -> Decision:
    """Return the relay's answer."""
    for question in QUESTIONS:
        if refusal := question(case):
            return refusal
    leaves = case.leaves
    return Accepted(leaves) if leaves <= case.now else Deferred(leaves)
