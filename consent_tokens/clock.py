"""What time it is. The only module that asks the machine; everything else is told."""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol


@lru_cache(maxsize=1024)
def utc_from_epoch(seconds: int) -> datetime:
    """Return the moment that is so many seconds of the epoch; many rows share theirs."""
    return datetime.fromtimestamp(seconds, UTC)


class Clock(Protocol):
    """Tells the time, always aware and always in UTC."""

    @property
    def is_real(self) -> bool:
        """Whether it tells the world's time, so that another machine's should agree."""

    def now(self) -> datetime:
        """Return this moment, in whole seconds: what a token can carry, a row can keep."""

    def monotonic(self) -> float:
        """Return seconds since some fixed point; never goes back, whatever the wall clock does."""

    def sleep(self, seconds: float) -> None:
        """Let that much time pass."""


class SystemClock:
    """The machine's own clock."""

    @property
    def is_real(self) -> bool:
        """Return that it is."""
        return True

    def now(self) -> datetime:
        """Return this moment."""
        return datetime.now(UTC).replace(microsecond=0)

    def monotonic(self) -> float:
        """Return the monotonic clock's seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait on an event that nobody sets."""
        threading.Event().wait(seconds)


@dataclass
class ManualClock:
    """A clock for tests. It moves only when told, and never backwards by accident."""

    at: datetime = datetime(2021, 11, 11, 4, tzinfo=UTC)  # noon in Shanghai, Double 11

    @property
    def is_real(self) -> bool:
        """Return that it is not."""
        return False

    def now(self) -> datetime:
        """Return the moment at which it stands."""
        return self.at

    def monotonic(self) -> float:
        """Return the seconds of the moment at which it stands."""
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        """Move on by whole seconds, at least one, so that whoever waits comes to an end."""
        self.at += timedelta(seconds=max(1, round(seconds)))

    def advance(self, by: timedelta) -> None:
        """Move on; a negative step is a mistake in the test."""
        if by < timedelta():
            raise ValueError("a clock does not go backwards; set .at if the test is about that")
        self.at += by
