"""Backpressure: reject new marketing while the outbox is full. Transactional always has room."""

from dataclasses import dataclass
from typing import Final

from consent_tokens.relay.message import Priority
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import outbox

CHECK_INTERVAL_SECONDS: Final = 2.0  # a count is trusted for at least this long
COUNT_COST_FACTOR: Final = 50  # and for this many times as long as counting took


@dataclass(slots=True)
class Backpressure:
    """Whether the outbox was full when this process last counted it."""

    runtime: Runtime
    outbox_limit: int  # marketing messages
    _is_saturated: bool = False
    _valid_until: float = float("-inf")  # monotonic seconds

    def is_saturated(self) -> bool:
        """Whether the outbox holds as much marketing as it may."""
        now = self.runtime.clock.monotonic()
        if now < self._valid_until:
            return self._is_saturated
        self._valid_until = now + CHECK_INTERVAL_SECONDS  # other threads need not count, too
        count, _ = self.runtime.database.read(
            lambda transaction: outbox.depth(transaction, Priority.MARKETING, self.outbox_limit)
        )
        took = self.runtime.clock.monotonic() - now
        self._is_saturated = count >= self.outbox_limit
        self._valid_until = now + max(CHECK_INTERVAL_SECONDS, COUNT_COST_FACTOR * took)
        return self._is_saturated
