"""SMS pumping: many codes to many numbers, so that somebody earns by each. Stopped before the bill.

What gives it away is that nobody proves the number. So codes without a proof are counted, over all
and by range of ten thousand neighbours. When they grow over all, whoever asks has to do some work
first; a range that only ever asks gets no more codes for a while.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.app_context import World
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.scope import MOST_MESSAGES
from consent_tokens.crypto import proof_of_work as work
from consent_tokens.crypto.keyed_hashes import limit_key
from consent_tokens.crypto.proof_of_work import HARDNESS, SALT_BYTES, Work
from consent_tokens.crypto.signed_values import opened, signed
from consent_tokens.services.rate_limits import hit
from consent_tokens.store import challenges
from consent_tokens.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Window:
    """At most `most` in any `within`."""

    most: int
    within: timedelta


CALM_LEAST: Final = 200
CALM_PART: Final = 10  # of the hourly limit over all, one part in so many may go unproved
CALM_WITHIN: Final = timedelta(minutes=10)
RANGE_MOST, RANGE_WITHIN = 30, timedelta(hours=1)  # in one range, or what one number may have
WORK_LASTS: Final = timedelta(minutes=10)
TICKET: Final = "patience"  # for those without script: asked for now, good after a minute
PATIENCE_SECONDS: Final = 60
TICKETS: Final = Window(3, timedelta(minutes=10))  # for one address
ONCE: Final = Window(1, timedelta(hours=1))
MOST_KEPT: Final = MOST_MESSAGES  # moments that are kept of one counter


def calm(world: World) -> Window:
    """Return how many codes may go unproved, over all, before asking has to cost something."""
    most = max(limit.most for limit in world.code_limits.all)
    return Window(max(CALM_LEAST, most // CALM_PART), CALM_WITHIN)


def calm_in_range(world: World) -> Window:
    """Return how many codes may go unproved in one range."""
    most = max(limit.most for limit in world.code_limits.number)
    return Window(max(RANGE_MOST, most), RANGE_WITHIN)


def wants_work(world: World) -> bool:
    """Whether so many codes were asked for and never used that asking has to cost something."""
    now, window = world.clock.now(), calm(world)
    key = limit_key("unproved", "", world.keyring.index)
    hits = world.store.read(lambda transaction: challenges.peek_hits(transaction, key))
    return sum(hit > now - window.within for hit in hits) >= window.most


def is_pumped(world: World, transaction: Transaction, number: PhoneNumber) -> bool:
    """Count one code that nobody has proved yet; whether its range has had too many."""
    now, window = world.clock.now(), calm_in_range(world)
    _hit(transaction, limit_key("unproved", "", world.keyring.index), calm(world), now)
    return _hit(transaction, _range_key(world, number), window, now) > window.most


def proved(world: World, transaction: Transaction, number: PhoneNumber) -> None:
    """Take back one that was counted: somebody was there."""
    now = world.clock.now()
    for key, window in (
        (limit_key("unproved", "", world.keyring.index), calm(world)),
        (_range_key(world, number), calm_in_range(world)),
    ):
        hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > now - window.within]
        challenges.put_hits(transaction, key, hits[:-1] or [now - window.within], window.within)


def work_for(world: World) -> Work:
    """Return work for a browser to do."""
    return work.challenge(
        world.keyring.index,
        drawn=world.chance.draw(SALT_BYTES),
        number=world.chance.below(HARDNESS),
        expires=world.clock.now() + WORK_LASTS,
    )


def has_worked(world: World, solution: str) -> bool:
    """Whether this is work that was done, and not handed in before."""
    name = work.solved(world.keyring.index, solution, world.clock.now())
    return name is not None and _is_first(world, "work", name)


def ticket_for(world: World, address: str) -> str | None:
    """Return a ticket that is good after a minute; None if this address has had too many."""
    now = world.clock.now()
    key = limit_key("tickets", address, world.keyring.index)

    if world.store.run(lambda transaction: hit(transaction, key, [TICKETS], now)) != now:
        return None
    value = f"{int(now.timestamp())} {world.chance.draw(SALT_BYTES).hex()}"
    return signed(world.keyring, TICKET, value)


def has_waited(world: World, ticket: str) -> bool:
    """Whether this ticket was given a minute ago, and not used before."""
    most = int(WORK_LASTS.total_seconds())
    value = opened(world.keyring, TICKET, ticket, most_seconds=most)
    if value is None:
        return False
    since = int(value.partition(" ")[0])
    has = world.clock.now().timestamp() - since >= PATIENCE_SECONDS
    return has and _is_first(world, TICKET, value)


def _is_first(world: World, what: str, name: str) -> bool:
    now = world.clock.now()
    key = limit_key(what, name, world.keyring.index)
    return world.store.run(lambda transaction: _hit(transaction, key, ONCE, now) == 1)


def _hit(transaction: Transaction, key: bytes, window: Window, now: datetime) -> int:
    """Count one; return how many there are in the window, this one among them."""
    hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > now - window.within]
    hits = [*hits, now][-max(MOST_KEPT, window.most + 1) :]
    challenges.put_hits(transaction, key, hits, window.within)
    return len(hits)


def _range_key(world: World, number: PhoneNumber) -> bytes:
    return limit_key("range", number.range(), world.keyring.index)
