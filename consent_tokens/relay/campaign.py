"""A campaign: the lines of a file, checked and then submitted part by part. Pure.

Each part is submitted in one transaction with the change of the campaign, so `next_part` says
exactly what was submitted. A part is checked in the same way before anything is sent; only the sum
of all parts is shown, rounded and with noise.
"""

import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

PART_SIZE: Final = 200  # lines: one transaction of about 50 ms
MINUTES_OF_DAY: Final = 1440
NOISE_SCALE: Final = 20.0  # of one person a preview tells at most a factor of e^(2/20)
MIN_PEOPLE: Final = 100  # of a file, below which nothing is said about who is reached
ROUNDING: Final = ((1_000, 50), (10_000, 100))  # up to that count, to a multiple of this
COARSEST: Final = 500


class CampaignStatus(StrEnum):
    """How a campaign stands."""

    CHECKING = "checking"  # its lines are tried out; nothing is sent
    READY = "ready"  # somebody may start it
    RUNNING = "running"  # or it waits for its time
    FINISHED = "finished"  # every line was submitted
    STOPPED = "stopped"


class Tally(Struct, frozen=True):
    """What came of the lines that were tried out: each person counts once."""

    people: int = 0
    at_once: int = 0
    later: int = 0
    reasons: Mapping[str, int] = {}  # people who would not be reached, by reason
    segments: int = 0  # of all lines, whoever is reached

    def plus(self, other: "Tally") -> "Tally":
        """Return the sum of both."""
        return Tally(
            people=self.people + other.people,
            at_once=self.at_once + other.at_once,
            later=self.later + other.later,
            reasons=Counter(self.reasons) + Counter(other.reasons),
            segments=self.segments + other.segments,
        )


class Bucket(Struct, frozen=True):
    """From `low` to `high` people, with noise: not an exact bound."""

    low: int
    high: int


class Preview(Struct, frozen=True):
    """What a campaign would do; without buckets where too few people are in it."""

    segments: int
    at_once: Bucket | None = None
    later: Bucket | None = None
    not_reached: Bucket | None = None
    reasons: Mapping[str, Bucket] = {}


class Campaign(Struct, frozen=True, kw_only=True):
    """A campaign of a merchant. `due_at` is when its next part is; None while none is."""

    id: str
    merchant_id: str
    name: str
    status: CampaignStatus
    lines: int  # that can be read as messages
    faulty: int  # lines that cannot
    next_part: int = 0  # to be checked, or to be submitted
    created_at: datetime
    created_by: str
    changed_at: datetime
    due_at: datetime | None
    template_id: str | None = None
    sender_id: str | None = None
    starts_at: datetime | None = None
    opens: int = 0  # minutes of the day in `timezone`, between which lines are submitted
    closes: int = MINUTES_OF_DAY
    timezone: ZoneInfo
    tally: Tally = Tally()  # of the parts that were checked; empty again after the last
    preview: Preview | None = None
    accepted: int = 0
    refused: Mapping[str, int] = {}  # lines by reason

    @property
    def parts(self) -> int:
        """Return how many parts its lines make."""
        return -(-self.lines // PART_SIZE)

    @property
    def submitted(self) -> int:
        """Return how many lines have been submitted."""
        return self.accepted + sum(self.refused.values())

    def is_due(self, now: datetime) -> bool:
        """Whether a part is to be checked or submitted now."""
        return self.due_at is not None and self.due_at <= now


def next_opening(campaign: Campaign, now: datetime) -> datetime:
    """Return the first time from `now` on within the start and the hours of a campaign."""
    at = max(now, campaign.starts_at or now)
    local = at.astimezone(campaign.timezone)
    minute = local.hour * 60 + local.minute
    if campaign.opens <= minute < campaign.closes:
        return at
    day = local.date() + timedelta(days=minute >= campaign.closes)
    opens = time(*divmod(campaign.opens, 60), tzinfo=campaign.timezone)
    return datetime.combine(day, opens).astimezone(now.tzinfo)


def after_check(campaign: Campaign, checked: Tally, now: datetime) -> Campaign:
    """Return a campaign of which one more part was checked; `preview` is made after the last."""
    is_last = campaign.next_part + 1 >= campaign.parts
    return replace(
        campaign,
        status=CampaignStatus.READY if is_last else CampaignStatus.CHECKING,
        next_part=0 if is_last else campaign.next_part + 1,
        tally=campaign.tally.plus(checked),
        due_at=None if is_last else now,
        changed_at=now,
    )


def start(campaign: Campaign, now: datetime) -> Campaign:
    """Return a campaign that runs, from its start on; its times are set already."""
    running = replace(campaign, status=CampaignStatus.RUNNING, changed_at=now)
    return replace(running, due_at=next_opening(running, now))


def after_submission(
    campaign: Campaign, accepted: int, refused: Mapping[str, int], now: datetime
) -> Campaign:
    """Return a campaign of which one more part was submitted."""
    is_last = campaign.next_part + 1 >= campaign.parts
    return replace(
        campaign,
        status=CampaignStatus.FINISHED if is_last else CampaignStatus.RUNNING,
        next_part=campaign.next_part + 1,
        accepted=campaign.accepted + accepted,
        refused=Counter(campaign.refused) + Counter(refused),
        due_at=None if is_last else next_opening(campaign, now),
        changed_at=now,
    )


def stop(campaign: Campaign, now: datetime) -> Campaign:
    """Return a campaign of which nothing more is submitted."""
    return replace(
        campaign, status=CampaignStatus.STOPPED, due_at=None, tally=Tally(), changed_at=now
    )


def laplace(uniform: float) -> float:
    """Return noise of a Laplace distribution of NOISE_SCALE, from a number above 0 and below 1."""
    centred = uniform - 0.5
    return -NOISE_SCALE * math.copysign(math.log(1 - 2 * abs(centred)), centred)


def bucket(noisy: float) -> Bucket:
    """Return the bucket of a count that noise was added to."""
    step = next((step for most, step in ROUNDING if noisy < most), COARSEST)
    low = max(0, int(noisy // step) * step)
    return Bucket(low, low + step)
