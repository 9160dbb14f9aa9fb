"""A consent ends: the consumer takes it back, the merchant lets go, or its day has come."""

from dataclasses import dataclass
from typing import Final

from consent_tokens.consent.grant import EndedBy, Grant
from consent_tokens.crypto.handles import Address
from consent_tokens.errors import StoreBusyError
from consent_tokens.evidence.events import of_end
from consent_tokens.flow.journalled import check, tell
from consent_tokens.flow.notify import announce, of_grant
from consent_tokens.store import events, grants, marks, messages, recipients, requests
from consent_tokens.store.engine import Transaction
from consent_tokens.world import World

LEASE_SECONDS: Final = 30  # how long a dispatcher may hold a message; see flow.dispatch
LOOK_AGAIN_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Ended:
    """A grant that is over, and how many of its messages left while it ended."""

    grant: Grant
    left_meanwhile: int


def end(world: World, address: Address, by: EndedBy) -> Ended | None:
    """End a grant, for good; None if there is none.

    When this returns, nothing under the grant leaves that the gateway does not already have, and
    nobody can open its number, with whatever keys (promise 3): its key is destroyed, and any
    message that a dispatcher held in its hands at that moment has been waited for. Ending an ended
    grant changes nothing and is no fault. Raises JournalUnavailableError: a revocation that a
    restored database would forget is none.
    """
    check(world)
    ended = world.store.run(lambda transaction: end_in(world, transaction, address, by))
    if ended is None:
        return None
    tell(world)
    world.store.scrub()
    return Ended(ended, _wait_for_hands(world, address))


def end_in(world: World, transaction: Transaction, address: Address, by: EndedBy) -> Grant | None:
    """End a grant within a transaction; the same deed for a page, an API call and a reply."""
    now = world.clock.now()
    held = grants.lock_one(transaction, address)
    if held is None:
        return None
    ended = held.grant.ended(now, by)
    if ended != held.grant:
        grants.put_end(transaction, ended)
        requests.drop_token_of(transaction, address)
        events.record(transaction, [of_end(ended, by)], world.chance.draw)
        recipients.forget_if_idle(transaction, address.home)
        if by not in {EndedBy.EXPIRY, EndedBy.JOURNAL} and world.store.is_upgraded:
            marks.lay_out(transaction, address, now)
        announce(world, transaction, [of_grant(world, ended, by)], now)
    return ended


def _wait_for_hands(world: World, address: Address) -> int:
    """Wait until no dispatcher holds a message of the grant; return how many one held at first.

    A dispatcher reads the grant again in the step in which it takes a message into its hands, so
    only what it held before can still leave. Raises StoreBusyError if it holds one beyond any
    lease: the grant is over all the same.
    """

    def in_hands(transaction: Transaction) -> int:
        return messages.under_way(transaction, address, world.clock.now())

    first = held = world.store.read(in_hands)
    begun = world.clock.elapsed()
    while held:
        if world.clock.elapsed() - begun > LEASE_SECONDS:
            raise StoreBusyError("a dispatcher does not answer")
        world.clock.pause(LOOK_AGAIN_SECONDS)
        held = world.store.read(in_hands)
    return first
