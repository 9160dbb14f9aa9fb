"""Preferences of a recipient over all merchants: quiet, limits, quiet hours, invitations."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from consent_tokens.consent.quiet_periods import (
    MAX_QUIET_PERIODS,
    QuietPeriods,
    quiet_in_either,
)
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

MAX_DAILY_LIMIT: Final = 100  # limited messages a day, over all merchants
MAX_WEEKLY_LIMIT: Final = 500  # the same a week
DAY, WEEK = timedelta(days=1), timedelta(days=7)


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

    quiet_periods: QuietPeriods = ()
    daily_limit: int | None = None  # limited messages in any 24 hours, over all merchants
    weekly_limit: int | None = None  # the same in any 7 days
    quiet_hours: QuietHours | None = None  # for messages of every class
    no_invitations: bool = False

    def __post_init__(self) -> None:
        if len(self.quiet_periods) > MAX_QUIET_PERIODS:
            raise ValueError(f"at most {MAX_QUIET_PERIODS} quiet periods")
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
        if self is NO_PREFERENCES:  # as of most recipients
            return ()
        limits = ((self.daily_limit, DAY), (self.weekly_limit, WEEK))
        return tuple(FrequencyCap(limit, window) for limit, window in limits if limit is not None)

    def is_quiet_at(self, at: datetime) -> bool:
        """Whether `at` is within a quiet period."""
        return bool(self.quiet_periods) and any(each.covers(at) for each in self.quiet_periods)


NO_PREFERENCES: Final = Preferences()


def stricter_of(one: Preferences, other: Preferences) -> Preferences:
    """Return preferences that allow no more than either of two, as far as one row can say it.

    It is quiet when it is in either of them. Of two different quiet hours the result has those of
    `one`, because two spans of a day may not make one.
    """
    return Preferences(
        quiet_periods=quiet_in_either(one.quiet_periods, other.quiet_periods),
        daily_limit=_lower_of(one.daily_limit, other.daily_limit),
        weekly_limit=_lower_of(one.weekly_limit, other.weekly_limit),
        quiet_hours=one.quiet_hours or other.quiet_hours,
        no_invitations=one.no_invitations or other.no_invitations,
    )


def _lower_of(one: int | None, other: int | None) -> int | None:
    limits = [each for each in (one, other) if each is not None]
    return min(limits) if limits else None
