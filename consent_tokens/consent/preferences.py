"""Preferences of a recipient over all merchants: quiet period, limits, quiet hours, invitations."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from consent_tokens.consent.scope import (
    MAX_CLOSED,
    MAX_SEARCH,
    MINUTES_PER_DAY,
    FrequencyCap,
)
from consent_tokens.consent.scope import SEASONS as SEASONS_OF_YEAR
from consent_tokens.consent.timezones import (
    Timezones,
    minute_of_day,
    next_local_time,
    parse_timezones,
)

MAX_DAILY_LIMIT: Final = 100  # marketing messages a day, over all merchants
MAX_WEEKLY_LIMIT: Final = 500  # the same a week
DAY, WEEK = timedelta(days=1), timedelta(days=7)
MAX_QUIET_PERIOD: Final = timedelta(days=731)  # two years, from now to the end of a quiet period


@dataclass(frozen=True, slots=True)
class QuietPeriod:
    """From `begins` inclusive to `ends` exclusive no marketing is sent."""

    begins: datetime
    ends: datetime

    def __post_init__(self) -> None:
        if self.begins >= self.ends:
            raise ValueError("a quiet period begins before it ends")

    def covers(self, at: datetime) -> bool:
        """Whether `at` is within the period."""
        return self.begins <= at < self.ends


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begins` inclusive to `ends` exclusive, in minutes since the recipient's midnight.

    Quiet hours that end before they begin include midnight. Where the recipient may be in several
    time zones it is quiet while it is in one of them.
    """

    begins: int
    ends: int
    timezone: ZoneInfo
    also: Timezones = ()

    def __post_init__(self) -> None:
        is_within_a_day = 0 <= self.begins <= MINUTES_PER_DAY and 0 <= self.ends <= MINUTES_PER_DAY
        if not is_within_a_day or self.begins % MINUTES_PER_DAY == self.ends % MINUTES_PER_DAY:
            raise ValueError("quiet hours begin and end at different times of the day")
        if self.also and not all(self._ends_within_days(moment) for moment in SEASONS_OF_YEAR):
            raise ValueError("quiet hours end in all of their time zones at some time")

    @property
    def timezones(self) -> Timezones:
        """Return all their time zones."""
        return (self.timezone, *self.also)

    def next_end(self, at: datetime) -> datetime:
        """Return `at` if it is outside the quiet hours, else the time at which they end.

        Goes by local wall-clock time, as `SendWindow.next_open` does.
        """
        latest = at + MAX_SEARCH
        while (zone := self._quiet_in(at)) is not None and at < latest:
            at = next_local_time(zone, self.ends % MINUTES_PER_DAY, at)
        return at

    def _quiet_in(self, at: datetime) -> ZoneInfo | None:
        """Return a time zone in which it is quiet; None if it is in none."""
        return next((zone for zone in self.timezones if self._is_quiet(zone, at)), None)

    def _is_quiet(self, zone: ZoneInfo, at: datetime) -> bool:
        minute = minute_of_day(zone, at)
        if self.begins < self.ends:
            return self.begins <= minute < self.ends
        return minute >= self.begins or minute < self.ends

    def _ends_within_days(self, moment: datetime) -> bool:
        at = self.next_end(moment)
        return at < moment + MAX_CLOSED and self._quiet_in(at) is None


@lru_cache(maxsize=4096)
def quiet_hours_of(begins: int, ends: int, timezones: str) -> QuietHours:
    """Return cached quiet hours; `timezones` are names separated by a space. Raises ValueError."""
    first, *also = parse_timezones(timezones)
    return QuietHours(begins, ends, first, tuple(also))


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The preferences of one recipient; the relay applies them when it dispatches a message."""

    quiet_period: QuietPeriod | None = None
    daily_limit: int | None = None  # marketing messages in any 24 hours, over all merchants
    weekly_limit: int | None = None  # the same in any 7 days
    quiet_hours: QuietHours | None = None  # for messages of every class
    no_invitations: bool = False

    def __post_init__(self) -> None:
        for limit, maximum in (
            (self.daily_limit, MAX_DAILY_LIMIT),
            (self.weekly_limit, MAX_WEEKLY_LIMIT),
        ):
            if limit is not None and not 1 <= limit <= maximum:
                raise ValueError(f"a limit is from 1 to {maximum} messages")

    @property
    def is_default(self) -> bool:
        """Whether nothing is set."""
        return self == NO_PREFERENCES

    @property
    def rate_limits(self) -> tuple[FrequencyCap, ...]:
        """Return the limits over all merchants, as sliding windows."""
        limits = ((self.daily_limit, DAY), (self.weekly_limit, WEEK))
        return tuple(FrequencyCap(limit, window) for limit, window in limits if limit is not None)

    def is_quiet_at(self, at: datetime) -> bool:
        """Whether `at` is within the quiet period."""
        return self.quiet_period is not None and self.quiet_period.covers(at)


NO_PREFERENCES: Final = Preferences()


def stricter_of(one: Preferences, other: Preferences) -> Preferences:
    """Return preferences that allow no more than either of two, as far as one row can say it.

    Of two quiet periods, the result lasts from the earlier begin to the later end. Of two different
    quiet hours it has those of `one`, because two spans of a day may not make one.
    """
    periods = [each.quiet_period for each in (one, other) if each.quiet_period]
    quiet_period = None
    if periods:
        begins, ends = min(each.begins for each in periods), max(each.ends for each in periods)
        quiet_period = QuietPeriod(begins, ends)
    return Preferences(
        quiet_period=quiet_period,
        daily_limit=_lower_of(one.daily_limit, other.daily_limit),
        weekly_limit=_lower_of(one.weekly_limit, other.weekly_limit),
        quiet_hours=one.quiet_hours or other.quiet_hours,
        no_invitations=one.no_invitations or other.no_invitations,
    )


def _lower_of(one: int | None, other: int | None) -> int | None:
    limits = [each for each in (one, other) if each is not None]
    return min(limits) if limits else None


@dataclass(frozen=True, slots=True)
class Season:
    """A yearly sales season, from its first to its last day inclusive."""

    name: str
    first: tuple[int, int]  # month and day
    last: tuple[int, int]

    def next_quiet_period(self, now: datetime, timezone: ZoneInfo) -> QuietPeriod:
        """Return the quiet period for the rest of this year's season, or for the next season."""
        today = now.astimezone(timezone).date()
        year = today.year if today <= date(today.year, *self.last) else today.year + 1
        begins = datetime.combine(date(year, *self.first), time(), timezone)
        ends = datetime.combine(date(year, *self.last) + timedelta(days=1), time(), timezone)
        return QuietPeriod(max(now, begins.astimezone(now.tzinfo)), ends.astimezone(now.tzinfo))


# the big sales in China; their marketing starts days before
SEASONS: Final = (Season("double11", (11, 1), (11, 15)), Season("618", (6, 1), (6, 20)))


def quiet_until(day: date, now: datetime, timezone: ZoneInfo) -> QuietPeriod:
    """Return the quiet period from `now` to the end of `day`.

    Raises ValueError if that is in the past or more than MAX_QUIET_PERIOD ahead.
    """
    ends = datetime.combine(day + timedelta(days=1), time(), timezone).astimezone(now.tzinfo)
    if not now < ends <= now + MAX_QUIET_PERIOD:
        raise ValueError("a quiet period ends within two years")
    return QuietPeriod(now, ends)
