"""Links that lead nowhere: counted, and above a rate answered 429. A link that works never is.

Many people share a carrier's address, so an address is only ever slowed down in its misses. In this
process's memory: nothing is written for a request that guesses.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from consent_tokens import metrics
from consent_tokens.clock import Clock
from consent_tokens.errors import TooManyRequestsError

WINDOW_SECONDS: Final = 60.0
MAX_MISSES: Final = 30  # of an address in that time
MAX_ADDRESSES: Final = 10_000  # remembered at once; those that missed longest ago are forgotten


@dataclass(slots=True)
class LinkMisses:
    """The misses of one process. Thread-safe."""

    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # by address: when the window began (monotonic seconds), and the misses in it
    _windows: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)

    def record(self, client_ip: str) -> None:
        """Count a miss. Raises TooManyRequestsError above the rate."""
        metrics.LINK_MISSES.inc()
        now = self.clock.monotonic()
        with self._lock:
            began, misses = self._windows.pop(client_ip, (now, 0))
            if now - began >= WINDOW_SECONDS:
                began, misses = now, 0
            self._windows[client_ip] = began, misses + 1
            if len(self._windows) > MAX_ADDRESSES:
                self._windows.popitem(last=False)
        if misses >= MAX_MISSES:
            raise TooManyRequestsError(max(1, int(began + WINDOW_SECONDS - now) + 1))
