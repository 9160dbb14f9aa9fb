"""Protection against SMS pumping, also called artificially inflated traffic (AIT).

Bots request codes to numbers that pay them. What gives them away is that nobody verifies the
numbers. So codes that were not verified yet are counted: in total, and by range of ten thousand
numbers. When they grow in total, each request has to solve a challenge first; a range that only
ever requests is sent no more codes for a while.
"""

from datetime import datetime, timedelta
from typing import Final

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.scope import MAX_MESSAGES
from consent_tokens.crypto import proof_of_work
from consent_tokens.crypto.proof_of_work import MAX_NUMBER, SALT_BYTES, WorkChallenge
from consent_tokens.crypto.signed_values import open_value, sign_value
from consent_tokens.policies import OtpRateLimits, RateLimit
from consent_tokens.services.rate_limits import try_acquire
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import challenges
from consent_tokens.store.database import Transaction

MIN_UNVERIFIED: Final = 200  # codes: below it nobody is asked for work
UNVERIFIED_SHARE: Final = 10  # of the hourly limit in total, one part in so many may go unverified
UNVERIFIED_WINDOW: Final = timedelta(minutes=10)
RANGE_LIMIT: Final = 30  # unverified codes in one range, or as many as one number may have
RANGE_WINDOW: Final = timedelta(hours=1)
CHALLENGE_LIFETIME: Final = timedelta(minutes=10)
TICKET_USE: Final = "waiting-ticket"  # for browsers without script: valid after a minute
WAIT_SECONDS: Final = 60
TICKET_LIMIT: Final = RateLimit(3, timedelta(minutes=10))  # for one client IP
SINGLE_USE: Final = RateLimit(1, timedelta(hours=1))
MAX_HITS_STORED: Final = MAX_MESSAGES  # of one counter


def unverified_budget(limits: OtpRateLimits) -> RateLimit:
    """Return how many codes may go unverified in total before a request has to cost something."""
    most = max(each.limit for each in limits.total)
    return RateLimit(max(MIN_UNVERIFIED, most // UNVERIFIED_SHARE), UNVERIFIED_WINDOW)


def unverified_range_budget(limits: OtpRateLimits) -> RateLimit:
    """Return how many codes may go unverified in one range of numbers."""
    most = max(each.limit for each in limits.number)
    return RateLimit(max(RANGE_LIMIT, most), RANGE_WINDOW)


def requires_challenge(runtime: Runtime, limits: OtpRateLimits) -> bool:
    """Whether so many codes went unverified that a request has to solve a challenge first."""
    now, budget = runtime.clock.now(), unverified_budget(limits)
    key = _total_key(runtime)
    hits = runtime.database.read(lambda transaction: challenges.read_hits(transaction, key))
    return sum(hit > now - budget.window for hit in hits) >= budget.limit


def count_unverified(
    runtime: Runtime, limits: OtpRateLimits, transaction: Transaction, number: PhoneNumber
) -> bool:
    """Count one code that is not verified yet; return whether its range has had too many."""
    now, budget = runtime.clock.now(), unverified_range_budget(limits)
    _count_hit(transaction, _total_key(runtime), unverified_budget(limits), now)
    return _count_hit(transaction, _range_key(runtime, number), budget, now) > budget.limit


def forget_unverified(
    runtime: Runtime, limits: OtpRateLimits, transaction: Transaction, number: PhoneNumber
) -> None:
    """Take back one that was counted: the number was verified."""
    now = runtime.clock.now()
    for key, budget in (
        (_total_key(runtime), unverified_budget(limits)),
        (_range_key(runtime, number), unverified_range_budget(limits)),
    ):
        since = now - budget.window
        hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > since]
        challenges.save_hits(transaction, key, hits[:-1] or [since], budget.window)


def create_challenge(runtime: Runtime) -> WorkChallenge:
    """Return a proof-of-work challenge for a browser with script."""
    return proof_of_work.create_challenge(
        runtime.keyring.index,
        random_bytes=runtime.random.token_bytes(SALT_BYTES),
        number=runtime.random.randbelow(MAX_NUMBER),
        expires=runtime.clock.now() + CHALLENGE_LIFETIME,
    )


def is_challenge_solved(runtime: Runtime, solution: str) -> bool:
    """Whether this solves a challenge of ours, for the first time."""
    now = runtime.clock.now()
    challenge = proof_of_work.verified_challenge(runtime.keyring.index, solution, now)
    return challenge is not None and _is_first_use(runtime, "challenge", challenge)


def issue_waiting_ticket(runtime: Runtime, client_ip: str) -> str | None:
    """Return a ticket that is valid after a minute; None if this client IP has had too many."""
    now = runtime.clock.now()
    key = runtime.rate_limit_key("tickets", client_ip)
    allowed_at = runtime.database.run(
        lambda transaction: try_acquire(transaction, key, [TICKET_LIMIT], now)
    )
    if allowed_at != now:
        return None
    value = f"{int(now.timestamp())} {runtime.random.token_bytes(SALT_BYTES).hex()}"
    return sign_value(runtime.keyring, TICKET_USE, value)


def is_waiting_over(runtime: Runtime, ticket: str) -> bool:
    """Whether this ticket was issued a minute ago, and not used before."""
    lifetime = int(CHALLENGE_LIFETIME.total_seconds())
    value = open_value(runtime.keyring, TICKET_USE, ticket, max_age_seconds=lifetime)
    if value is None:
        return False
    issued = int(value.partition(" ")[0])
    is_over = runtime.clock.now().timestamp() - issued >= WAIT_SECONDS
    return is_over and _is_first_use(runtime, TICKET_USE, value)


def _is_first_use(runtime: Runtime, use: str, name: str) -> bool:
    now = runtime.clock.now()
    key = runtime.rate_limit_key(use, name)
    return runtime.database.run(
        lambda transaction: _count_hit(transaction, key, SINGLE_USE, now) == 1
    )


def _count_hit(transaction: Transaction, key: bytes, budget: RateLimit, now: datetime) -> int:
    """Count one; return how many there are in the window, this one included."""
    since = now - budget.window
    hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > since]
    hits = [*hits, now][-max(MAX_HITS_STORED, budget.limit + 1) :]
    challenges.save_hits(transaction, key, hits, budget.window)
    return len(hits)


def _total_key(runtime: Runtime) -> bytes:
    return runtime.rate_limit_key("unverified", "")


def _range_key(runtime: Runtime, number: PhoneNumber) -> bytes:
    return runtime.rate_limit_key("range", number.number_range())
