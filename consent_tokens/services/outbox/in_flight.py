"""What a dispatcher holds in its hands is waited for, so that an answer is true when it is given.

A dispatcher reads grants and wishes again in the step in which it takes a message into its hands.
So only what it held before a change can still leave after it.
"""

from collections.abc import Callable
from typing import Final

from consent_tokens.errors import DatabaseBusyError
from consent_tokens.services.runtime import Runtime
from consent_tokens.store.database import Transaction

LEASE_SECONDS: Final = 30  # how long a dispatcher may hold a message; see flow.dispatch
POLL_SECONDS: Final = 0.02


def wait_until_not_in_flight(
    runtime: Runtime, count_in_flight: Callable[[Transaction], int]
) -> int:
    """Wait until no dispatcher holds any of these messages; return how many one held at first.

    Raises StoreBusyError if it holds one beyond any lease: what was changed is changed all the
    same.
    """
    first = held = runtime.database.read(count_in_flight)
    begun = runtime.clock.monotonic()
    while held:
        if runtime.clock.monotonic() - begun > LEASE_SECONDS:
            raise DatabaseBusyError("a dispatcher does not answer")
        runtime.clock.sleep(POLL_SECONDS)
        held = runtime.database.read(count_in_flight)
    return first
