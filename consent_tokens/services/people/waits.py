"""Growing waits between failed attempts, in place of a lockout that a stranger could cause.

An attempt is counted as failed before it is looked at, so that many at the same time are not more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from consent_tokens.errors import TooManyRequestsError
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import console_sessions
from consent_tokens.store.database import Transaction

MAX_DOUBLINGS: Final = 20  # more would overflow


@dataclass(frozen=True, slots=True)
class Waits:
    """So many attempts are free; then each failure doubles the wait, up to a longest one."""

    free: int
    longest: timedelta

    def after(self, failures: int) -> timedelta:
        """Return how long to wait after so many failures."""
        if failures <= self.free:
            return timedelta()
        doubled = timedelta(seconds=2 ** min(failures - self.free, MAX_DOUBLINGS))
        return min(doubled, self.longest)


BY_CLIENT: Final = Waits(20, timedelta(minutes=15))  # all attempts of a network
BY_NAME: Final = Waits(4, timedelta(hours=1))  # attempts of strangers with one name
# of a browser in which that person signed in before: strangers cannot use them up
BY_KNOWN_BROWSER: Final = Waits(4, timedelta(minutes=15))
BY_CODE: Final = Waits(5, timedelta(hours=1))  # second factors of one person

Counter = tuple[bytes, Waits]  # the keyed hash of what is counted, and how it waits


def count_attempt(runtime: Runtime, counters: Sequence[Counter]) -> None:
    """Count an attempt. Raises TooManyRequestsError if one of the counters has to wait."""
    now = runtime.clock.now()

    def work(transaction: Transaction) -> timedelta | None:
        for key, waits in counters:
            next_at = console_sessions.count_attempt(transaction, key, now, waits.after)
            if next_at is not None:
                return next_at - now
        return None

    if (wait := runtime.database.run(work)) is not None:
        raise TooManyRequestsError(max(1, int(wait.total_seconds())))


def forget(transaction: Transaction, counters: Sequence[Counter]) -> None:
    """Forget the failures that were counted, after a success."""
    for key, _waits in counters:
        console_sessions.forget_failures(transaction, key)
