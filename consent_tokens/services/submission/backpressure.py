"""Backpressure: reject new limited messages while the outbox is full, never others."""

from dataclasses import dataclass
from typing import Final

from consent_tokens.relay.message import Priority
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import outbox

CHECK_INTERVAL_SECONDS: Final = 2.0  # how long a count is cached, at least
COUNT_COST_FACTOR: Final = 50  # and at least this many times as long as counting took


@dataclass(slots=True)
class Backpressure:
    """A cached check of the outbox depth, one per process."""

    runtime: Runtime
    outbox_limit: int  # messages of marketing and finance
    _is_saturated: bool = False
    _valid_until: float = float("-inf")  # monotonic seconds

    def is_saturated(self) -> bool:
        """Whether the outbox holds `outbox_limit` limited messages or more."""
        now = self.runtime.clock.monotonic()
        if now < self._valid_until:
            return self._is_saturated
        self._valid_until = now + CHECK_INTERVAL_SECONDS  # so that other threads do not count too
        count, _ = self.runtime.database.read(
            lambda transaction: outbox.depth(transaction, Priority.MARKETING, self.outbox_limit)
        )
        seconds = self.runtime.clock.monotonic() - now
        self._is_saturated = count >= self.outbox_limit
        self._valid_until = now + max(CHECK_INTERVAL_SECONDS, COUNT_COST_FACTOR * seconds)
        return self._is_saturated
