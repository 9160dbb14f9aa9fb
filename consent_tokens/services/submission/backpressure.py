"""When so much marketing waits that more would only wait longer, the merchant is asked to."""

from consent_tokens.app_context import World
from consent_tokens.relay.message import Rank
from consent_tokens.store import messages

LOOK_SECONDS = 2.0  # at least so long is an answer believed, and fifty times as long as it took


def is_full(world: World) -> bool:
    """Whether the outbox holds as much marketing as it may. Transactional always has room."""
    pressure, now = world.pressure, world.clock.elapsed()
    if now < pressure.believed_until:
        return pressure.is_full
    pressure.believed_until = now + LOOK_SECONDS  # whoever comes meanwhile need not look, too
    count, _ = world.store.read(
        lambda transaction: messages.depth(transaction, Rank.MARKETING, world.outbox_limit)
    )
    took = world.clock.elapsed() - now
    pressure.is_full = count >= world.outbox_limit
    pressure.believed_until = now + max(LOOK_SECONDS, 50 * took)
    return pressure.is_full
