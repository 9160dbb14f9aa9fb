"""Quiet periods of a recipient, side by side, and the sales seasons that are offered as such."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

MAX_QUIET_PERIODS: Final = 5  # of one recipient at a time
MAX_QUIET_PERIOD: Final = timedelta(days=731)  # two years, from now to the end of a quiet period


class TooManyQuietPeriodsError(ValueError):
    """A recipient has MAX_QUIET_PERIODS that are not over."""


@dataclass(frozen=True, slots=True, order=True)
class QuietPeriod:
    """From `begins` inclusive to `ends` exclusive no marketing and no finance is sent."""

    begins: datetime
    ends: datetime

    def __post_init__(self) -> None:
        if self.begins >= self.ends:
            raise ValueError("a quiet period begins before it ends")

    def covers(self, at: datetime) -> bool:
        """Whether `at` is within the period."""
        return self.begins <= at < self.ends


QuietPeriods: TypeAlias = tuple[QuietPeriod, ...]  # by their begins; no two end at the same time


def add_quiet_period(periods: QuietPeriods, new: QuietPeriod, now: datetime) -> QuietPeriods:
    """Return the periods that are not over at `now`, and `new`.

    Raises TooManyQuietPeriodsError.
    """
    added = _distinct([*(each for each in periods if each.ends > now), new])
    if len(added) > MAX_QUIET_PERIODS:
        raise TooManyQuietPeriodsError(f"at most {MAX_QUIET_PERIODS} quiet periods")
    return added


def end_quiet_period(periods: QuietPeriods, ends: datetime) -> QuietPeriods:
    """Return the periods without the one that would end at `ends`."""
    return tuple(each for each in periods if each.ends != ends)


def quiet_in_either(one: QuietPeriods, other: QuietPeriods) -> QuietPeriods:
    """Return periods that cover what either of two sets covers.

    Of more than MAX_QUIET_PERIODS, those with the least time between them become one.
    """
    periods = _distinct([*one, *other])
    while len(periods) > MAX_QUIET_PERIODS:
        gaps = [after.begins - before.ends for before, after in pairwise(periods)]
        at = gaps.index(min(gaps))
        periods = _distinct([*periods[:at], span_of(periods[at : at + 2]), *periods[at + 2 :]])
    return periods


def span_of(periods: QuietPeriods) -> QuietPeriod:
    """Return the period from the first begin to the last end. Raises ValueError without periods."""
    return QuietPeriod(min(each.begins for each in periods), max(each.ends for each in periods))


def _distinct(periods: Iterable[QuietPeriod]) -> QuietPeriods:
    """Return periods in order; of those with the same end, the longest."""
    longest: dict[datetime, QuietPeriod] = {}
    for each in sorted(periods):
        longest.setdefault(each.ends, each)
    return tuple(sorted(longest.values()))


# --- Seasons ------------------------------------------------------------------------------------

_Days: TypeAlias = tuple[date, date]  # the first and the last day, inclusive

# New Year's Day of the lunar calendar. Source: Hong Kong Observatory, Gregorian-Lunar Calendar
# Conversion Table; the calendar is GB/T 33661-2017.
LUNAR_NEW_YEARS: Final = {
    each.year: each
    for each in (
        date(2026, 2, 17), date(2027, 2, 6), date(2028, 1, 26), date(2029, 2, 13),
        date(2030, 2, 3), date(2031, 1, 23), date(2032, 2, 11), date(2033, 1, 31),
        date(2034, 2, 19), date(2035, 2, 8), date(2036, 1, 28), date(2037, 2, 15),
        date(2038, 2, 4), date(2039, 1, 24), date(2040, 2, 12),
    )
}  # fmt: skip
BEFORE_NEW_YEAR = AFTER_NEW_YEAR = timedelta(
    days=14
)  # from the first sales to the Lantern Festival


@dataclass(frozen=True, slots=True)
class Season:
    """A sales season that comes once a year."""

    name: str
    days_in: Callable[[int], _Days | None]  # by year; None if its days are not known

    def next_quiet_period(self, now: datetime, timezone: ZoneInfo) -> QuietPeriod | None:
        """Return the quiet period for the rest of this year's season, or for the next season.

        None if its days are not known so far ahead.
        """
        today = now.astimezone(timezone).date()
        for year in (today.year, today.year + 1):
            days = self.days_in(year)
            if days is not None and today <= days[1]:
                return _rest_of(days, now, timezone)
        return None

    def is_period(self, period: QuietPeriod, timezone: ZoneInfo) -> bool:
        """Whether a period is this season in some year, or the rest of it."""
        last = (period.ends - timedelta(seconds=1)).astimezone(timezone).date()
        days = self.days_in(last.year)
        return (
            days is not None
            and last == days[1]
            and period.begins.astimezone(timezone).date() >= days[0]
        )


def _rest_of(days: _Days, now: datetime, timezone: ZoneInfo) -> QuietPeriod:
    begins = datetime.combine(days[0], time(), timezone).astimezone(now.tzinfo)
    return QuietPeriod(max(now, begins), _end_of(days[1], now, timezone))


def _end_of(day: date, now: datetime, timezone: ZoneInfo) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), timezone).astimezone(now.tzinfo)


def _double_11(year: int) -> _Days:
    return date(year, 11, 1), date(year, 11, 15)


def _618(year: int) -> _Days:
    return date(year, 6, 1), date(year, 6, 20)


def _spring_festival(year: int) -> _Days | None:
    new_year = LUNAR_NEW_YEARS.get(year)
    if new_year is None:
        return None
    return new_year - BEFORE_NEW_YEAR, new_year + AFTER_NEW_YEAR


# the big sales in China; their marketing starts days before
SEASONS: Final = (
    Season("double11", _double_11),
    Season("618", _618),
    Season("spring_festival", _spring_festival),
)


def next_seasons(now: datetime, timezone: ZoneInfo) -> list[tuple[Season, QuietPeriod]]:
    """Return the seasons whose days are known with their next periods, the first to end first."""
    found = [(each, each.next_quiet_period(now, timezone)) for each in SEASONS]
    known = [(season, period) for season, period in found if period]
    return sorted(known, key=lambda each: each[1].ends)


def quiet_until(day: date, now: datetime, timezone: ZoneInfo) -> QuietPeriod:
    """Return the quiet period from `now` to the end of `day`.

    Raises ValueError if that is in the past or more than MAX_QUIET_PERIOD ahead.
    """
    ends = _end_of(day, now, timezone)
    if not now < ends <= now + MAX_QUIET_PERIOD:
        raise ValueError("a quiet period ends within two years")
    return QuietPeriod(now, ends)
