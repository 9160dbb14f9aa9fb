"""Wait until messages are no longer in flight, so that a change is final when it is confirmed.

The dispatcher reads grants and preferences again in the transaction that leases a message. So after
a change has been committed, only messages that were leased before it can still be submitted.
"""

from collections.abc import Callable
from typing import Final

from consent_tokens.errors import DatabaseBusyError
from consent_tokens.services.runtime import Runtime
from consent_tokens.store.database import Transaction

LEASE_SECONDS: Final = 30  # of a message that a dispatcher has leased; see services.dispatch.lease
POLL_SECONDS: Final = 0.02


def wait_until_not_in_flight(
    runtime: Runtime, count_in_flight: Callable[[Transaction], int]
) -> int:
    """Wait until `count_in_flight` returns 0; return what it returned first.

    Raises DatabaseBusyError if messages are in flight for longer than any lease. What the caller
    committed before stays committed.
    """
    first = in_flight = runtime.database.read(count_in_flight)
    started = runtime.clock.monotonic()
    while in_flight:
        if runtime.clock.monotonic() - started > LEASE_SECONDS:
            raise DatabaseBusyError("messages are still in flight after their lease has expired")
        runtime.clock.sleep(POLL_SECONDS)
        in_flight = runtime.database.read(count_in_flight)
    return first
