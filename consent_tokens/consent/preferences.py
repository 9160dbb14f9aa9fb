"""What a recipient wishes over all merchants: calm, limits, rest, and not to be invited."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from consent_tokens.consent.scope import MINUTES_PER_DAY, FrequencyCap

MAX_DAILY_LIMIT: Final = 100  # messages of class marketing, of a limit over all merchants
MAX_WEEKLY_LIMIT: Final = 500
DAY, WEEK = timedelta(days=1), timedelta(days=7)
MAX_QUIET_PERIOD: Final = timedelta(days=731)  # how far ahead the end of a calm time may lie


@dataclass(frozen=True, slots=True)
class QuietPeriod:
    """From `begins` inclusive to `ends` exclusive nothing of class marketing leaves."""

    begins: datetime
    ends: datetime

    def __post_init__(self) -> None:
        if self.begins >= self.ends:
            raise ValueError("calm begins before it ends")

    def covers(self, at: datetime) -> bool:
        """Whether `at` lies within it."""
        return self.begins <= at < self.ends


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begins` inclusive to `ends` exclusive, in minutes since the recipient's midnight.

    Rest that ends before it begins goes on past midnight.
    """

    begins: int
    ends: int
    timezone: ZoneInfo

    def __post_init__(self) -> None:
        is_within_a_day = 0 <= self.begins <= MINUTES_PER_DAY and 0 <= self.ends <= MINUTES_PER_DAY
        if not is_within_a_day or self.begins % MINUTES_PER_DAY == self.ends % MINUTES_PER_DAY:
            raise ValueError("rest begins and ends at different times of the day")

    def next_end(self, at: datetime) -> datetime:
        """Return `at` if it is outside the hours of rest, or the moment at which they end.

        Wall-clock minutes count, as for hours (`consent.scope`).
        """
        local = at.astimezone(self.timezone)
        minute = local.hour * 60 + local.minute
        if self.begins < self.ends:
            rests = self.begins <= minute < self.ends
        else:
            rests = minute >= self.begins or minute < self.ends
        if not rests:
            return at
        ends = self.ends % MINUTES_PER_DAY
        day = local.date() + (timedelta(days=1) if minute >= ends else timedelta())
        waking = datetime.combine(day, time(ends // 60, ends % 60), self.timezone)
        return max(at, waking.astimezone(at.tzinfo))


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """All of it. The relay honours it at the moment at which a message leaves."""

    quiet_period: QuietPeriod | None = None
    daily_limit: int | None = (
        None  # at most so many of class marketing in any day, over all merchants
    )
    weekly_limit: int | None = None
    quiet_hours: QuietHours | None = None  # binds messages of every class
    no_invitations: bool = False

    def __post_init__(self) -> None:
        for limit, most in (
            (self.daily_limit, MAX_DAILY_LIMIT),
            (self.weekly_limit, MAX_WEEKLY_LIMIT),
        ):
            if limit is not None and not 1 <= limit <= most:
                raise ValueError(f"a limit is from 1 to {most} messages")

    @property
    def rate_limits(self) -> tuple[FrequencyCap, ...]:
        """Return the limits over all merchants: sliding windows, like a cap."""
        found = ((self.daily_limit, DAY), (self.weekly_limit, WEEK))
        return tuple(FrequencyCap(most, within) for most, within in found if most is not None)

    def is_quiet_at(self, at: datetime) -> bool:
        """Whether nothing of class marketing may leave at that moment."""
        return self.quiet_period is not None and self.quiet_period.covers(at)


NO_PREFERENCES: Final = Preferences()


@dataclass(frozen=True, slots=True)
class Season:
    """Days in each year on which marketing floods in; both days are part of it."""

    name: str
    first: tuple[int, int]  # month and day
    last: tuple[int, int]

    def next_quiet_period(self, now: datetime, timezone: ZoneInfo) -> QuietPeriod:
        """Return the calm time that covers what is left of this year's, or all of the next."""
        today = now.astimezone(timezone).date()
        year = today.year if today <= date(today.year, *self.last) else today.year + 1
        begins = datetime.combine(date(year, *self.first), time(), timezone)
        ends = datetime.combine(date(year, *self.last) + timedelta(days=1), time(), timezone)
        return QuietPeriod(max(now, begins.astimezone(now.tzinfo)), ends.astimezone(now.tzinfo))


# the weeks in which the shops of China shout: the sales begin long before their day
SEASONS: Final = (Season("double11", (11, 1), (11, 15)), Season("618", (6, 1), (6, 20)))


def quiet_until(day: date, now: datetime, timezone: ZoneInfo) -> QuietPeriod:
    """Return calm from now to the end of a day. Raises ValueError if it lies behind, or too far."""
    ends = datetime.combine(day + timedelta(days=1), time(), timezone).astimezone(now.tzinfo)
    if not now < ends <= now + MAX_QUIET_PERIOD:
        raise ValueError("calm ends within two years")
    return QuietPeriod(now, ends)
