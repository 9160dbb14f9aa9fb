"""Pacing of new templates: how much of one may leave before consumers have reacted to it.

The texts of a new template leave in parts. When a part has left, and its recipients had some hours
of daytime to react, the next one follows; too many stops or complaints hold the rest back. Pure.
"""

from datetime import datetime, time, timedelta
from enum import StrEnum
from itertools import accumulate
from math import ceil, sqrt
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from consent_tokens.policies import PacingPolicy

CONFIDENCE: Final = 1.96  # standard deviations: 95 % between both bounds of a Wilson interval
LEFT_SHARE: Final = 0.9  # of a part: a few of its texts may be planned for days later
DROP_FACTOR: Final = 2  # times the bound of stops: clear enough without a person
SECONDS_OF_DAY: Final = 86_400
PROVEN_TEMPLATES: Final = 3  # that exempt a control group from its budget
CLEAN_PERIOD: Final = timedelta(days=90)  # in which none of its templates was dropped or withdrawn
WITHDRAWN_WITHIN: Final = timedelta(days=7)  # before an approval: transactional ones are paced too
MAX_DAYS: Final = 60  # of daytime that are added up


class PacingStatus(StrEnum):
    """How the pacing of a template stands."""

    OPEN = "open"  # in one of its parts
    HELD = "held"  # nothing leaves
    DROPPED = "dropped"  # the rest is refused
    PROVEN = "proven"  # it has left its parts behind, and stays so


class Verdict(StrEnum):
    """What becomes of a template whose texts leave in parts."""

    NEXT_STAGE = "next_stage"
    WAIT = "wait"
    HOLD = "hold"
    DROP = "drop"


class Reactions(Struct, frozen=True):
    """How many different people got a template, and how many of them did not want it."""

    people: int  # who got a text of it
    stops: int  # of people who stopped the merchant after it
    complainants: int

    def less(self, accepted: "Reactions") -> "Reactions":
        """Return what came after a person has looked at the figures and let it go on."""
        return Reactions(
            max(0, self.people - accepted.people),
            max(0, self.stops - accepted.stops),
            max(0, self.complainants - accepted.complainants),
        )


NO_REACTIONS: Final = Reactions(0, 0, 0)


class PacingKind(StrEnum):
    """Of which class the texts are: it says in which parts they leave."""

    LIMITED = "limited"  # marketing and finance
    TRANSACTIONAL = "transactional"


class Pacing(Struct, frozen=True, kw_only=True):
    """The pacing of one version of a template, or of a sender's free texts of one day."""

    subject_id: str  # of the template, or of the sender
    version: int  # of the template; the day since 1970, of free texts
    merchant_id: str
    kind: PacingKind
    is_budgeted: bool  # its texts count towards what its control group has for unproven ones
    status: PacingStatus
    stage: int  # from 0
    taken: int  # places of its parts
    created_at: datetime
    active_until: datetime
    changed_at: datetime  # the status
    checked_at: datetime
    left_at: datetime | None = None  # since when the part of its stage has left
    held_at: datetime | None = None
    waiting_since: datetime | None = None  # since when a person has to decide
    seen: Reactions = NO_REACTIONS  # as last counted
    held: int = 0  # messages, as last counted
    accepted: Reactions = NO_REACTIONS  # when a person let it go on

    @property
    def id(self) -> str:
        """Return what its messages and events name it by: `tpl_...:2`."""
        return f"{self.subject_id}:{self.version}"

    @property
    def counted(self) -> Reactions:
        """Return the reactions that it is judged by."""
        return self.seen.less(self.accepted)

    def parts(self, policy: PacingPolicy) -> tuple[int, ...]:
        """Return its parts."""
        is_limited = self.kind is PacingKind.LIMITED
        return policy.parts if is_limited else policy.transactional_parts

    def places(self, policy: PacingPolicy) -> int | None:
        """Return how many texts may leave until its stage is over, in all; None: all."""
        return places(self.parts(policy), self.stage)

    def free_places(self, policy: PacingPolicy) -> int:
        """Return how many more texts may leave in its stage; 0 unless it is open."""
        of_stage = self.places(policy)
        if self.status is not PacingStatus.OPEN or of_stage is None:
            return 0
        return max(0, of_stage - self.taken)


def new_pacing(
    subject_id: str,
    version: int,
    *,
    merchant_id: str,
    kind: PacingKind,
    is_budgeted: bool,
    now: datetime,
) -> Pacing:
    """Return the pacing of a version of a template, or of a day of a sender, as it begins."""
    return Pacing(
        subject_id=subject_id,
        version=version,
        merchant_id=merchant_id,
        kind=kind,
        is_budgeted=is_budgeted,
        status=PacingStatus.OPEN,
        stage=0,
        taken=0,
        created_at=now,
        active_until=now,
        changed_at=now,
        checked_at=now,
    )


def day_of(at: datetime) -> int:
    """Return the day of UTC, since 1970."""
    return int(at.timestamp()) // SECONDS_OF_DAY


def group_of(merchant_id: str, control_group: str | None) -> str:
    """Return the id under which the unproven texts of a merchant are counted."""
    return control_group or merchant_id


def wilson_lower_bound(hits: int, of: int) -> float:
    """Return the lower bound of a rate, by Wilson's score interval of 95 %; 0 of nothing.

    E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if of <= 0 or hits <= 0:
        return 0.0
    rate, square = min(hits, of) / of, CONFIDENCE * CONFIDENCE
    middle = rate + square / (2 * of)
    margin = CONFIDENCE * sqrt(rate * (1 - rate) / of + square / (4 * of * of))
    return (middle - margin) / (1 + square / of)


def places(parts: tuple[int, ...], stage: int) -> int | None:
    """Return how many texts may leave until a stage is over, in all; None: as many as there are."""
    return list(accumulate(parts))[stage] if stage < len(parts) else None


def is_above_bounds(policy: PacingPolicy, seen: Reactions, usual_stop_rate: float = 0.0) -> bool:
    """Whether surely more people than the policy allows stop the merchant, or complain.

    `usual_stop_rate` is that of other merchants today: where it is higher than the policy's bound,
    it takes its place, so that a day on which everybody stops more holds nobody.
    """
    return _exceeds_stops(policy, seen, max(policy.stop_rate, usual_stop_rate)) or (
        seen.complainants >= policy.min_complainants
        and wilson_lower_bound(seen.complainants, seen.people) > policy.complaint_rate
    )


def _exceeds_stops(policy: PacingPolicy, seen: Reactions, rate: float) -> bool:
    enough = seen.stops >= policy.min_stops
    return enough and wilson_lower_bound(seen.stops, seen.people) > rate


def judge(
    policy: PacingPolicy, seen: Reactions, *, is_over: bool, usual_stop_rate: float = 0.0
) -> Verdict:
    """Return what becomes of a template; `is_over` says that people had the time to react.

    Too many stops or complaints hold it at once. Only stops drop it, if there are twice as many,
    and not before `is_over`: complaints can be filed to harm a rival, so a person decides on them.
    """
    bound = max(policy.stop_rate, usual_stop_rate)
    if not is_above_bounds(policy, seen, usual_stop_rate):
        return Verdict.NEXT_STAGE if is_over else Verdict.WAIT
    if is_over and _exceeds_stops(policy, seen, bound * DROP_FACTOR):
        return Verdict.DROP
    return Verdict.HOLD


def step(
    policy: PacingPolicy, pacing: Pacing, left: int, now: datetime, usual_stop_rate: float = 0.0
) -> Pacing:
    """Return a pacing as it is now: `left` texts of it have left, and its reactions were counted.

    What a person has to decide changes by a person only.
    """
    match pacing.status:
        case PacingStatus.OPEN:
            return _open_step(policy, pacing, left, now, usual_stop_rate)
        case PacingStatus.HELD if pacing.waiting_since is None:
            return _held_step(policy, pacing, now, usual_stop_rate)
        case _:
            return pacing


def _open_step(
    policy: PacingPolicy, pacing: Pacing, left: int, now: datetime, usual_stop_rate: float
) -> Pacing:
    of_stage = pacing.places(policy)
    if of_stage is None:
        return changed(pacing, PacingStatus.PROVEN, now)
    if pacing.left_at is None and left >= needed_to_have_left(of_stage):
        pacing = replace(pacing, left_at=now)
    is_over = is_wait_over(policy, pacing.left_at, now)
    match judge(policy, pacing.counted, is_over=is_over, usual_stop_rate=usual_stop_rate):
        case Verdict.WAIT:
            return pacing
        case Verdict.NEXT_STAGE:
            return _next_stage(policy, pacing, now)
        case Verdict.HOLD:
            return changed(pacing, PacingStatus.HELD, now)
        case Verdict.DROP:
            return changed(pacing, PacingStatus.DROPPED, now)


def _next_stage(policy: PacingPolicy, pacing: Pacing, now: datetime) -> Pacing:
    later = replace(pacing, stage=pacing.stage + 1, left_at=None, changed_at=now)
    if later.places(policy) is None:
        return changed(later, PacingStatus.PROVEN, now)
    return later


def _held_step(
    policy: PacingPolicy, pacing: Pacing, now: datetime, usual_stop_rate: float
) -> Pacing:
    is_over = is_wait_over(policy, pacing.held_at, now)
    match judge(policy, pacing.counted, is_over=is_over, usual_stop_rate=usual_stop_rate):
        case Verdict.NEXT_STAGE:
            return changed(pacing, PacingStatus.OPEN, now)
        case Verdict.DROP:
            return changed(pacing, PacingStatus.DROPPED, now)
        case Verdict.WAIT | Verdict.HOLD:
            is_due = pacing.held_at is not None and now - pacing.held_at >= policy.max_hold
            return replace(pacing, waiting_since=now) if is_due else pacing


def changed(pacing: Pacing, status: PacingStatus, now: datetime) -> Pacing:
    """Return a pacing with another status, since now."""
    held_at = now if status is PacingStatus.HELD else None
    return replace(pacing, status=status, held_at=held_at, waiting_since=None, changed_at=now)


def let_go_on(pacing: Pacing, now: datetime) -> Pacing:
    """Return a pacing that a person lets go on: with its next part, and judged by what comes."""
    opened = changed(pacing, PacingStatus.OPEN, now)
    return replace(opened, stage=pacing.stage + 1, left_at=None, accepted=pacing.seen)


def needed_to_have_left(places_of_stage: int) -> int:
    """Return how many texts of a stage must have left, until the time to react begins."""
    return ceil(places_of_stage * LEFT_SHARE)


def is_wait_over(policy: PacingPolicy, since: datetime | None, now: datetime) -> bool:
    """Whether people had the policy's hours of daytime to react; None: they have not begun."""
    return since is not None and daytime_between(policy, since, now) >= policy.wait


def daytime_between(policy: PacingPolicy, since: datetime, until: datetime) -> timedelta:
    """Return how much of the hours in which people react lies between two times."""
    first = since.astimezone(policy.timezone).date()
    total = timedelta(0)
    for day in (first + timedelta(days=number) for number in range(MAX_DAYS)):
        opens = datetime.combine(day, _time(policy.opens), policy.timezone)
        closes = datetime.combine(day, _time(policy.closes), policy.timezone)
        if opens >= until:
            break
        total += max(timedelta(0), min(until, closes) - max(since, opens))
    return total


def _time(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)
