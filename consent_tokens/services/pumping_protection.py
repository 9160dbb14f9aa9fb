"""SMS pumping: many codes to many numbers, so that somebody earns by each. Stopped before the bill.

What gives it away is that nobody proves the number. So codes without a proof are counted, over all
and by range of ten thousand neighbours. When they grow over all, whoever asks has to do some work
first; a range that only ever asks gets no more codes for a while.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.app_context import AppContext
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.scope import MAX_MESSAGES
from consent_tokens.crypto import proof_of_work as work
from consent_tokens.crypto.keyed_hashes import rate_limit_key
from consent_tokens.crypto.proof_of_work import MAX_NUMBER, SALT_BYTES, WorkChallenge
from consent_tokens.crypto.signed_values import open_value, sign_value
from consent_tokens.services.rate_limits import try_acquire
from consent_tokens.store import challenges
from consent_tokens.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Window:
    """At most `most` in any `within`."""

    limit: int
    window: timedelta


MIN_UNVERIFIED: Final = 200
UNVERIFIED_SHARE: Final = 10  # of the hourly limit over all, one part in so many may go unproved
UNVERIFIED_WINDOW: Final = timedelta(minutes=10)
RANGE_LIMIT, RANGE_WINDOW = 30, timedelta(hours=1)  # in one range, or what one number may have
CHALLENGE_LIFETIME: Final = timedelta(minutes=10)
TICKET_USE: Final = "patience"  # for those without script: asked for now, good after a minute
WAIT_SECONDS: Final = 60
TICKET_LIMIT: Final = Window(3, timedelta(minutes=10))  # for one address
SINGLE_USE: Final = Window(1, timedelta(hours=1))
MAX_HITS_STORED: Final = MAX_MESSAGES  # moments that are kept of one counter


def unverified_budget(world: AppContext) -> Window:
    """Return how many codes may go unproved, over all, before asking has to cost something."""
    most = max(limit.limit for limit in world.otp_rate_limits.total)
    return Window(max(MIN_UNVERIFIED, most // UNVERIFIED_SHARE), UNVERIFIED_WINDOW)


def unverified_range_budget(world: AppContext) -> Window:
    """Return how many codes may go unproved in one range."""
    most = max(limit.limit for limit in world.otp_rate_limits.number)
    return Window(max(RANGE_LIMIT, most), RANGE_WINDOW)


def requires_challenge(world: AppContext) -> bool:
    """Whether so many codes were asked for and never used that asking has to cost something."""
    now, window = world.clock.now(), unverified_budget(world)
    key = rate_limit_key("unproved", "", world.keyring.index)
    hits = world.database.read(lambda transaction: challenges.read_hits(transaction, key))
    return sum(hit > now - window.window for hit in hits) >= window.limit


def count_unverified(world: AppContext, transaction: Transaction, number: PhoneNumber) -> bool:
    """Count one code that nobody has proved yet; whether its range has had too many."""
    now, window = world.clock.now(), unverified_range_budget(world)
    _count_hit(
        transaction,
        rate_limit_key("unproved", "", world.keyring.index),
        unverified_budget(world),
        now,
    )
    return _count_hit(transaction, _range_key(world, number), window, now) > window.limit


def forget_unverified(world: AppContext, transaction: Transaction, number: PhoneNumber) -> None:
    """Take back one that was counted: somebody was there."""
    now = world.clock.now()
    for key, window in (
        (rate_limit_key("unproved", "", world.keyring.index), unverified_budget(world)),
        (_range_key(world, number), unverified_range_budget(world)),
    ):
        hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > now - window.window]
        challenges.save_hits(transaction, key, hits[:-1] or [now - window.window], window.window)


def create_challenge(world: AppContext) -> WorkChallenge:
    """Return work for a browser to do."""
    return work.create_challenge(
        world.keyring.index,
        drawn=world.random.token_bytes(SALT_BYTES),
        number=world.random.randbelow(MAX_NUMBER),
        expires=world.clock.now() + CHALLENGE_LIFETIME,
    )


def is_challenge_solved(world: AppContext, solution: str) -> bool:
    """Whether this is work that was done, and not handed in before."""
    name = work.verified_challenge(world.keyring.index, solution, world.clock.now())
    return name is not None and _is_first_use(world, "work", name)


def issue_waiting_ticket(world: AppContext, client_ip: str) -> str | None:
    """Return a ticket that is good after a minute; None if this address has had too many."""
    now = world.clock.now()
    key = rate_limit_key("tickets", client_ip, world.keyring.index)

    if (
        world.database.run(lambda transaction: try_acquire(transaction, key, [TICKET_LIMIT], now))
        != now
    ):
        return None
    value = f"{int(now.timestamp())} {world.random.token_bytes(SALT_BYTES).hex()}"
    return sign_value(world.keyring, TICKET_USE, value)


def is_waiting_over(world: AppContext, ticket: str) -> bool:
    """Whether this ticket was given a minute ago, and not used before."""
    most = int(CHALLENGE_LIFETIME.total_seconds())
    value = open_value(world.keyring, TICKET_USE, ticket, max_age_seconds=most)
    if value is None:
        return False
    since = int(value.partition(" ")[0])
    has = world.clock.now().timestamp() - since >= WAIT_SECONDS
    return has and _is_first_use(world, TICKET_USE, value)


def _is_first_use(world: AppContext, what: str, name: str) -> bool:
    now = world.clock.now()
    key = rate_limit_key(what, name, world.keyring.index)
    return world.database.run(
        lambda transaction: _count_hit(transaction, key, SINGLE_USE, now) == 1
    )


def _count_hit(transaction: Transaction, key: bytes, window: Window, now: datetime) -> int:
    """Count one; return how many there are in the window, this one among them."""
    hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > now - window.window]
    hits = [*hits, now][-max(MAX_HITS_STORED, window.limit + 1) :]
    challenges.save_hits(transaction, key, hits, window.window)
    return len(hits)


def _range_key(world: AppContext, number: PhoneNumber) -> bytes:
    return rate_limit_key("range", number.number_range(), world.keyring.index)
