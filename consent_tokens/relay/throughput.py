"""Throughput limit of a gateway or sender, which slows down when the gateway throttles.

Times are seconds of a monotonic clock and come in as arguments; nothing here waits.
"""

from dataclasses import dataclass, field
from typing import Final

BURST_SECONDS: Final = 0.25  # of the rate may be sent at once; over ten seconds it stays within 5 %
BACK_OFF_INTERVAL_SECONDS: Final = 1.0
GROWTH: Final = 1.25  # factor a second, while far below the ceiling
PROBE: Final = 1.02  # factor a second, once near it
CEILING_MEMORY_SECONDS: Final = 10.0  # how long a ceiling is remembered
NEAR: Final = 0.9  # of the ceiling: the rate at which the gateway last throttled
MIN_RATE: Final = 1.0  # segments a second, however often the gateway throttles
UNLIMITED: Final = 1e6


@dataclass(slots=True)
class ThroughputLimiter:
    """A token bucket that refills at `rate` segments a second; 0 means no limit.

    What was sent is counted afterwards, so the credit may become negative; it refills first.
    """

    rate: float
    now: float
    _credit: float = field(init=False)
    _current: float = field(init=False)
    _ceiling: float = field(default=UNLIMITED, init=False)
    _slowed_at: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self._current = self.rate or UNLIMITED
        self._credit = self._burst

    @property
    def _burst(self) -> float:
        return max(1.0, self._current * BURST_SECONDS)

    @property
    def current(self) -> float:
        """Return the current rate, in segments a second."""
        return self._current

    @property
    def is_slowed(self) -> bool:
        """Whether the current rate is below the configured one."""
        return self._current < (self.rate or UNLIMITED)

    def allowance(self, now: float) -> int:
        """Return how many segments may be sent at `now`."""
        self._refill(now)
        return max(0, int(self._credit))

    def seconds_until_allowed(self) -> float:
        """Return the seconds until one may be sent, from the last call of `allowance`."""
        return max(0.0, (1.0 - self._credit) / self._current)

    def record(self, count: int) -> None:
        """Count segments that were sent."""
        self._credit -= count

    def back_off(self, now: float, accepted_per_second: float) -> None:
        """Slow down after a throttling response, at most once a second.

        `accepted_per_second` is what the gateway accepts at present: the new rate is just below
        it, or half of the current rate if that is more.
        """
        if now - self._slowed_at < BACK_OFF_INTERVAL_SECONDS:
            return
        half = (accepted_per_second if self._current >= UNLIMITED else self._current) / 2
        self._current = max(MIN_RATE, min(self._current, max(half, accepted_per_second * NEAR)))
        self._ceiling = max(MIN_RATE, accepted_per_second)
        self._slowed_at = now
        self._credit = min(self._credit, 0.0)

    def _refill(self, now: float) -> None:
        elapsed, self.now = max(0.0, now - self.now), max(self.now, now)
        self._credit = min(self._burst, self._credit + elapsed * self._current)
        if self.is_slowed and now - self._slowed_at > BACK_OFF_INTERVAL_SECONDS:
            is_near = (
                self._current >= self._ceiling * NEAR
                and now - self._slowed_at < CEILING_MEMORY_SECONDS
            )
            growth = PROBE if is_near else GROWTH
            self._current = min(self.rate or UNLIMITED, self._current * growth**elapsed)
