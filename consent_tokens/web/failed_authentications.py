"""Failed authentications of the merchant API: counted, and logged up to a rate."""

import threading
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

import structlog

from consent_tokens import metrics
from consent_tokens.clock import Clock

log = structlog.get_logger()

LOG_WINDOW_SECONDS: Final = 60.0
MAX_LOGGED: Final = 20  # lines in that time, of one process; the metric counts all


@dataclass(slots=True)
class FailedAuthentications:
    """The failures of one process. Thread-safe."""

    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _window_began: float = float("-inf")  # monotonic seconds
    _count: int = 0  # in this window

    def record(self, reason: str, key_id: str | None, client_ip: str) -> None:
        """Count a failure; log its reason, the key if it is known, and the kind of address.

        `reason` is that of an UnauthenticatedError, or `scope` for a key without the scope.
        """
        metrics.AUTHENTICATION_FAILURES.labels(reason).inc()
        is_logged, suppressed = self._take_turn()
        if suppressed:
            log.warning("authentication_failures_not_logged", count=suppressed)
        if is_logged:
            log.warning(
                "authentication_failed",
                reason=reason,
                key_id=key_id,
                client=kind_of_address(client_ip),
            )

    def _take_turn(self) -> tuple[bool, int]:
        """Return whether to log this failure, and how many of the last window were not."""
        with self._lock:
            now, suppressed = self.clock.monotonic(), 0
            if now - self._window_began >= LOG_WINDOW_SECONDS:
                suppressed = max(0, self._count - MAX_LOGGED)
                self._window_began, self._count = now, 0
            self._count += 1
            return self._count <= MAX_LOGGED, suppressed


def kind_of_address(text: str) -> str:
    """Return `loopback`, `private`, `public`, or `unknown`: the address itself is not logged."""
    try:
        address = ip_address(text)
    except ValueError:
        return "unknown"
    if address.is_loopback:
        return "loopback"
    return "public" if address.is_global else "private"
