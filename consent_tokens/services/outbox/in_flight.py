"""What a dispatcher holds in its hands is waited for, so that an answer is true when it is given.

A dispatcher reads grants and wishes again in the step in which it takes a message into its hands.
So only what it held before a change can still leave after it.
"""

from collections.abc import Callable
from typing import Final

from consent_tokens.app_context import World
from consent_tokens.errors import StoreBusyError
from consent_tokens.store.database import Transaction

LEASE_SECONDS: Final = 30  # how long a dispatcher may hold a message; see flow.dispatch
LOOK_AGAIN_SECONDS: Final = 0.02


def wait_for_hands(world: World, in_hands: Callable[[Transaction], int]) -> int:
    """Wait until no dispatcher holds any of these messages; return how many one held at first.

    Raises StoreBusyError if it holds one beyond any lease: what was changed is changed all the
    same.
    """
    first = held = world.store.read(in_hands)
    begun = world.clock.elapsed()
    while held:
        if world.clock.elapsed() - begun > LEASE_SECONDS:
            raise StoreBusyError("a dispatcher does not answer")
        world.clock.pause(LOOK_AGAIN_SECONDS)
        held = world.store.read(in_hands)
    return first
