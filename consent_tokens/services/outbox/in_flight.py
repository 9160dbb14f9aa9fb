"""What a dispatcher holds in its hands is waited for, so that an answer is true when it is given.

A dispatcher reads grants and wishes again in the step in which it takes a message into its hands.
So only what it held before a change can still leave after it.
"""

from collections.abc import Callable
from typing import Final

from consent_tokens.app_context import AppContext
from consent_tokens.errors import DatabaseBusyError
from consent_tokens.store.database import Transaction

LEASE_SECONDS: Final = 30  # how long a dispatcher may hold a message; see flow.dispatch
POLL_SECONDS: Final = 0.02


def wait_until_not_in_flight(
    world: AppContext, count_in_flight: Callable[[Transaction], int]
) -> int:
    """Wait until no dispatcher holds any of these messages; return how many one held at first.

    Raises StoreBusyError if it holds one beyond any lease: what was changed is changed all the
    same.
    """
    first = held = world.database.read(count_in_flight)
    begun = world.clock.monotonic()
    while held:
        if world.clock.monotonic() - begun > LEASE_SECONDS:
            raise DatabaseBusyError("a dispatcher does not answer")
        world.clock.sleep(POLL_SECONDS)
        held = world.database.read(count_in_flight)
    return first
