"""Scopes: the purposes, frequency cap, send window and end that a consumer agreed to."""

import re
from dataclasses import dataclass, field
from dataclasses import replace as replace_hours
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Self
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.timezones import (
    Timezones,
    format_timezones,
    minute_of_day,
    next_local_time,
    parse_timezones,
)
from consent_tokens.policies import RateLimit

MAX_MESSAGES: Final = 1000  # limit of a frequency cap
MAX_DAYS: Final = 365  # window of a frequency cap
SMS: Final = "sms"
INVITATIONS_FROM, INVITATIONS_TO = 9 * 60, 21 * 60  # minutes of the recipient's day
MINUTES_PER_DAY: Final = 24 * 60
# a window in several time zones has to open within days in winter and in summer
SEASONS: Final = (datetime(2027, 1, 15, tzinfo=UTC), datetime(2027, 7, 15, tzinfo=UTC))
MAX_CLOSED: Final = timedelta(days=3)
MAX_SEARCH: Final = timedelta(days=60)  # longer than a message is planned ahead and valid
TIME_OF_DAY = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class FrequencyCap(RateLimit):
    """At most `limit` messages in any `window`: what a consumer agreed to."""

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_MESSAGES:
            raise ValueError(f"a frequency cap is from 1 to {MAX_MESSAGES} messages")
        if not timedelta(days=1) <= self.window <= timedelta(days=MAX_DAYS):
            raise ValueError(f"a frequency cap is for 1 to {MAX_DAYS} days")


@lru_cache(maxsize=2048)
def parse_time_of_day(text: str) -> int:
    """Return the minutes since midnight in `09:00`; `24:00` is the end of the day."""
    match = TIME_OF_DAY.fullmatch(text)
    if match is None or (value := int(match[1]) * 60 + int(match[2])) > MINUTES_PER_DAY:
        raise ValueError("not a time such as 09:00, up to 24:00")
    return value


def format_time_of_day(value: int) -> str:
    """Return `09:00` for minutes since midnight."""
    return f"{value // 60:02}:{value % 60:02}"


@dataclass(frozen=True, slots=True)
class SendWindow:
    """From `opens` inclusive to `closes` exclusive, in minutes since the recipient's midnight.

    Where the recipient may be in several time zones it is open while it is open in all of them;
    days are counted in the first, `timezone`.
    """

    opens: int
    closes: int
    timezone: ZoneInfo
    also: Timezones = ()
    _hash: int = field(init=False, repr=False, compare=False)  # each message looks it up

    def __post_init__(self) -> None:
        key = self.opens, self.closes, self.timezone, self.also
        object.__setattr__(self, "_hash", hash(key))
        if not 0 <= self.opens < self.closes <= MINUTES_PER_DAY:
            raise ValueError("a send window opens before it closes, within one day")
        if self.also and not all(self._opens_within_days(moment) for moment in SEASONS):
            raise ValueError("a send window is open in all of its time zones at some time")

    def __hash__(self) -> int:
        return self._hash

    @classmethod
    def parse(cls, opens: str, closes: str, timezone: ZoneInfo, also: Timezones = ()) -> Self:
        """Return the window from `opens` to `closes`, such as `09:00`. Raises ValueError."""
        return cls(parse_time_of_day(opens), parse_time_of_day(closes), timezone, also)

    @property
    def timezones(self) -> Timezones:
        """Return all its time zones."""
        return (self.timezone, *self.also)

    @property
    def timezone_names(self) -> str:
        """Return the IANA names of its time zones, separated by a space."""
        return format_timezones(self.timezones)

    def next_open(self, at: datetime) -> datetime:
        """Return `at` if the window is open then, else the next time at which it opens.

        Goes by local wall-clock time, also on days of 23 or 25 hours; an opening in the skipped
        hour becomes the first time after it. If that is months away, returns a time beyond the
        validity of any message.
        """
        latest = at + MAX_SEARCH
        while (zone := self._closed_in(at)) is not None and at < latest:
            at = next_local_time(zone, self.opens, at)
        return at

    def _closed_in(self, at: datetime) -> ZoneInfo | None:
        """Return a time zone in which it is closed; None if it is open."""
        for zone in self.timezones if self.also else (self.timezone,):
            if not self.opens <= minute_of_day(zone, at) < self.closes:
                return zone
        return None

    def _opens_within_days(self, moment: datetime) -> bool:
        at = self.next_open(moment)
        return at < moment + MAX_CLOSED and self._closed_in(at) is None


@lru_cache(maxsize=4096)
def frequency_cap_of(limit: int, days: int) -> FrequencyCap:
    """Return a cached cap, so that equal caps are mostly identical and quick to compare."""
    return FrequencyCap(limit, timedelta(days=days))


@lru_cache(maxsize=4096)
def send_window_of(opens: int, closes: int, timezones: str) -> SendWindow:
    """Return a cached send window; zones are separated by a space. Raises ValueError."""
    first, *also = parse_timezones(timezones)
    return SendWindow(opens, closes, first, tuple(also))


def invitation_window(window: SendWindow) -> SendWindow:
    """Return when invitations leave, where that send window applies: 09:00 to 21:00 in each zone.

    Raises ValueError if that is never at once in all of its time zones.
    """
    return send_window_of(INVITATIONS_FROM, INVITATIONS_TO, window.timezone_names)


@lru_cache(maxsize=4096)
def purposes_of(names: str) -> frozenset[Purpose]:
    """Return the purposes in a space-separated list of names. Raises ValueError."""
    return frozenset(Purpose(name) for name in names.split(" "))


class Scope(Struct, frozen=True, kw_only=True):
    """What was agreed, and when it ends. The channel is always SMS."""

    purposes: frozenset[Purpose]
    frequency_cap: FrequencyCap
    send_window: SendWindow
    ends_at: datetime

    def narrowed_by(self, reduction: "ScopeReduction", *, ends: datetime | None = None) -> "Scope":
        """Return the scope narrowed by a reduction, and to `ends`.

        Raises ValueError if any part would be more than before, or if no purpose is left.
        """
        purposes = (
            self.purposes if reduction.purposes is None else reduction.purposes & self.purposes
        )
        limit = (
            self.frequency_cap.limit if reduction.max_messages is None else reduction.max_messages
        )
        opens = self.send_window.opens if reduction.opens is None else reduction.opens
        closes = self.send_window.closes if reduction.closes is None else reduction.closes
        ends = ends or self.ends_at
        if not purposes:
            raise ValueError("no purpose is left")
        is_more = limit > self.frequency_cap.limit or ends > self.ends_at
        if is_more or opens < self.send_window.opens or closes > self.send_window.closes:
            raise ValueError("more than was agreed")
        return replace(
            self,
            purposes=purposes,
            frequency_cap=FrequencyCap(limit, self.frequency_cap.window),
            send_window=replace_hours(self.send_window, opens=opens, closes=closes),
            ends_at=ends,
        )

    def with_end(self, ends: datetime) -> "Scope":
        """Return the scope with another end."""
        return replace(self, ends_at=ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeReduction:
    """What a consumer reduces in a scope; None leaves a part as it is."""

    purposes: frozenset[Purpose] | None = None
    max_messages: int | None = None
    opens: int | None = None  # minutes since midnight
    closes: int | None = None
    days: int | None = None  # how long it lasts, from the consent on
