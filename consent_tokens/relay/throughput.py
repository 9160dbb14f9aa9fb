"""How fast: a rate that is kept, and that gives way when the gateway asks for patience.

Time comes in as seconds of a clock that never goes back. Nothing here waits or counts threads.
"""

from dataclasses import dataclass, field
from typing import Final

BURST_SECONDS: Final = 0.25  # of the rate may leave at once; any ten seconds stay within 5 %
BACK_OFF_INTERVAL_SECONDS: Final = 1.0
GROWTH: Final = 1.25  # a second, while far from where the gateway last asked for patience
PROBE: Final = 1.02  # a second, once near it
CEILING_MEMORY_SECONDS: Final = 10.0  # where that was
NEAR: Final = 0.9
MIN_RATE: Final = 1.0  # messages a second, however often it asks
UNLIMITED: Final = 1e6


@dataclass(slots=True)
class ThroughputLimiter:
    """A leaky bucket that refills at `rate` a second; 0 stands for no limit.

    What left is counted after the fact, in segments, so a debt may build up: it is waited off.
    """

    rate: float
    now: float
    _credit: float = field(init=False)
    _current: float = field(init=False)
    _ceiling: float = field(default=UNLIMITED, init=False)
    _slowed: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self._current = self.rate or UNLIMITED
        self._credit = self._burst

    @property
    def _burst(self) -> float:
        return max(1.0, self._current * BURST_SECONDS)

    @property
    def current(self) -> float:
        """Return the rate at this moment, a second."""
        return self._current

    @property
    def is_slowed(self) -> bool:
        """Whether it goes slower than it was set to."""
        return self._current < (self.rate or UNLIMITED)

    def allowance(self, now: float) -> int:
        """Return how many may leave now."""
        self._refill(now)
        return max(0, int(self._credit))

    def seconds_until_allowed(self) -> float:
        """Return in how many seconds one may leave, as of the last question."""
        return max(0.0, (1.0 - self._credit) / self._current)

    def record(self, count: int) -> None:
        """Count what left."""
        self._credit -= count

    def back_off(self, now: float, accepted_per_second: float) -> None:
        """Slow down: to what the gateway took in the last second, or to half of that rate.

        `taken` is how many a second it takes at this moment. At most once a second.
        """
        if now - self._slowed < BACK_OFF_INTERVAL_SECONDS:
            return
        half = (accepted_per_second if self._current >= UNLIMITED else self._current) / 2
        self._current = max(MIN_RATE, min(self._current, max(half, accepted_per_second * NEAR)))
        self._ceiling = max(MIN_RATE, accepted_per_second)
        self._slowed = now
        self._credit = min(self._credit, 0.0)

    def _refill(self, now: float) -> None:
        elapsed, self.now = max(0.0, now - self.now), max(self.now, now)
        self._credit = min(self._burst, self._credit + elapsed * self._current)
        if self.is_slowed and now - self._slowed > BACK_OFF_INTERVAL_SECONDS:
            is_near = (
                self._current >= self._ceiling * NEAR
                and now - self._slowed < CEILING_MEMORY_SECONDS
            )
            growth = PROBE if is_near else GROWTH
            self._current = min(self.rate or UNLIMITED, self._current * growth**elapsed)
