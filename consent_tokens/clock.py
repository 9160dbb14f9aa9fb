"""Clocks. The only module that reads the system time; other code gets it as an argument."""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol


@lru_cache(maxsize=1024)
def utc_from_epoch(seconds: int) -> datetime:
    """Return the UTC time of a Unix timestamp; cached, because many rows share one."""
    return datetime.fromtimestamp(seconds, UTC)


@lru_cache(maxsize=1024)
def epoch_of(moment: datetime) -> int:
    """Return the Unix timestamp of a time, in whole seconds; cached, as above."""
    return int(moment.timestamp())


def start_of_day(moment: datetime) -> datetime:
    """Return the midnight (UTC) before a moment: what others are shown instead of a time."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


class Clock(Protocol):
    """A source of time; all its datetimes are in UTC."""

    @property
    def is_real(self) -> bool:
        """Whether it is real time, which can be compared with another machine's clock."""

    def now(self) -> datetime:
        """Return the current time in whole seconds, the precision of tokens and rows."""

    def monotonic(self) -> float:
        """Return the seconds of a clock that never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The system clock."""

    @property
    def is_real(self) -> bool:
        """Return True."""
        return True

    def now(self) -> datetime:
        """Return the system time in whole seconds."""
        return datetime.now(UTC).replace(microsecond=0)

    def monotonic(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        threading.Event().wait(seconds)


@dataclass
class ManualClock:
    """A clock for tests, which moves only by `advance` and `sleep`."""

    at: datetime = datetime(2021, 11, 11, 4, tzinfo=UTC)  # noon in Shanghai, Double 11

    @property
    def is_real(self) -> bool:
        """Return False."""
        return False

    def now(self) -> datetime:
        """Return the time that it is set to."""
        return self.at

    def monotonic(self) -> float:
        """Return the timestamp of the time that it is set to."""
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        """Advance by whole seconds, at least one, so that every wait ends."""
        self.at += timedelta(seconds=max(1, round(seconds)))

    def advance(self, by: timedelta) -> None:
        """Advance by a period. Raises ValueError if it is negative."""
        if by < timedelta():
            raise ValueError("a clock does not go back; set .at if the test is about that")
        self.at += by
