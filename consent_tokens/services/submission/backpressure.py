"""When so much marketing waits that more would only wait longer, the merchant is asked to."""

from consent_tokens.app_context import AppContext
from consent_tokens.relay.message import Priority
from consent_tokens.store import messages

CHECK_INTERVAL_SECONDS = (
    2.0  # at least so long is an answer believed, and fifty times as long as it took
)


def is_saturated(world: AppContext) -> bool:
    """Whether the outbox holds as much marketing as it may. Transactional always has room."""
    pressure, now = world.backpressure, world.clock.monotonic()
    if now < pressure.valid_until:
        return pressure.is_saturated
    pressure.valid_until = (
        now + CHECK_INTERVAL_SECONDS
    )  # whoever comes meanwhile need not look, too
    count, _ = world.database.read(
        lambda transaction: messages.depth(transaction, Priority.MARKETING, world.outbox_limit)
    )
    took = world.clock.monotonic() - now
    pressure.is_saturated = count >= world.outbox_limit
    pressure.valid_until = now + max(CHECK_INTERVAL_SECONDS, 50 * took)
    return pressure.is_saturated
