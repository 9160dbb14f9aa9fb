"""Protection against SMS pumping, also called artificially inflated traffic (AIT).

Bots request codes to numbers whose operators share the revenue; nobody ever enters those codes.
Unverified codes are therefore counted, in total and by range of ten thousand numbers. Above the
total budget each code request must first solve a challenge; above the budget of a range, no code
is sent to a number in that range until the window has passed.
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

MIN_UNVERIFIED_BUDGET: Final = 200  # codes; with fewer unverified, no challenge is required
UNVERIFIED_DIVISOR: Final = 10  # the budget is the highest total OTP rate limit divided by this
UNVERIFIED_WINDOW: Final = timedelta(minutes=10)
MIN_RANGE_BUDGET: Final = 30  # codes; raised to the highest limit of a single number
RANGE_WINDOW: Final = timedelta(hours=1)
CHALLENGE_LIFETIME: Final = timedelta(minutes=10)
TICKET_USE: Final = "waiting-ticket"  # for browsers without JavaScript, instead of proof of work
WAIT_SECONDS: Final = 60  # before a waiting ticket may be used
TICKET_LIMIT: Final = RateLimit(3, timedelta(minutes=10))  # per client IP
SINGLE_USE: Final = RateLimit(1, timedelta(hours=1))
MAX_HITS_STORED: Final = MAX_MESSAGES  # per counter; bounds the size of its row


def unverified_budget(limits: OtpRateLimits) -> RateLimit:
    """Return how many codes may go unverified in total before a challenge is required."""
    highest = max(each.limit for each in limits.total)
    return RateLimit(max(MIN_UNVERIFIED_BUDGET, highest // UNVERIFIED_DIVISOR), UNVERIFIED_WINDOW)


def unverified_range_budget(limits: OtpRateLimits) -> RateLimit:
    """Return how many codes may go unverified in one range of numbers."""
    highest = max(each.limit for each in limits.number)
    return RateLimit(max(MIN_RANGE_BUDGET, highest), RANGE_WINDOW)


def requires_challenge(runtime: Runtime, limits: OtpRateLimits) -> bool:
    """Whether the total budget of unverified codes is used up."""
    now, budget = runtime.clock.now(), unverified_budget(limits)
    key = _total_key(runtime)
    hits = runtime.database.read(lambda transaction: challenges.read_hits(transaction, key))
    return sum(hit > now - budget.window for hit in hits) >= budget.limit


def count_unverified(
    runtime: Runtime, limits: OtpRateLimits, transaction: Transaction, number: PhoneNumber
) -> bool:
    """Count a code as unverified; return whether this exceeds the budget of its number range."""
    now, budget = runtime.clock.now(), unverified_range_budget(limits)
    _count_hit(transaction, _total_key(runtime), unverified_budget(limits), now)
    return _count_hit(transaction, _range_key(runtime, number), budget, now) > budget.limit


def forget_unverified(
    runtime: Runtime, limits: OtpRateLimits, transaction: Transaction, number: PhoneNumber
) -> None:
    """Uncount one code, in total and in its number range, because the number was verified."""
    now = runtime.clock.now()
    for key, budget in (
        (_total_key(runtime), unverified_budget(limits)),
        (_range_key(runtime, number), unverified_range_budget(limits)),
    ):
        since = now - budget.window
        hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > since]
        challenges.save_hits(transaction, key, hits[:-1] or [since], budget.window)


def create_challenge(runtime: Runtime) -> WorkChallenge:
    """Return a proof-of-work challenge, for browsers with JavaScript."""
    return proof_of_work.create_challenge(
        runtime.keyring.index,
        random_bytes=runtime.random.token_bytes(SALT_BYTES),
        number=runtime.random.randbelow(MAX_NUMBER),
        expires=runtime.clock.now() + CHALLENGE_LIFETIME,
    )


def is_challenge_solved(runtime: Runtime, solution: str) -> bool:
    """Whether a solution is correct, unexpired and used for the first time."""
    now = runtime.clock.now()
    challenge = proof_of_work.verified_challenge(runtime.keyring.index, solution, now)
    return challenge is not None and _is_first_use(runtime, "solved_challenge", challenge)


def issue_waiting_ticket(runtime: Runtime, client_ip: str) -> str | None:
    """Return a ticket that becomes valid after WAIT_SECONDS; None above the client's TICKET_LIMIT.

    For browsers without JavaScript, which cannot compute a proof of work.
    """
    now = runtime.clock.now()
    key = runtime.rate_limit_key("waiting_tickets", client_ip)
    allowed_at = runtime.database.run(
        lambda transaction: try_acquire(transaction, key, [TICKET_LIMIT], now)
    )
    if allowed_at != now:
        return None
    value = f"{int(now.timestamp())} {runtime.random.token_bytes(SALT_BYTES).hex()}"
    return sign_value(runtime.keyring, TICKET_USE, value)


def is_waiting_over(runtime: Runtime, ticket: str) -> bool:
    """Whether a ticket was issued at least WAIT_SECONDS ago, and is used for the first time."""
    lifetime = int(CHALLENGE_LIFETIME.total_seconds())
    value = open_value(runtime.keyring, TICKET_USE, ticket, max_age_seconds=lifetime)
    if value is None:
        return False
    issued = int(value.partition(" ")[0])
    is_over = runtime.clock.now().timestamp() - issued >= WAIT_SECONDS
    return is_over and _is_first_use(runtime, TICKET_USE, value)


def _is_first_use(runtime: Runtime, kind: str, value: str) -> bool:
    now = runtime.clock.now()
    key = runtime.rate_limit_key(kind, value)
    return runtime.database.run(
        lambda transaction: _count_hit(transaction, key, SINGLE_USE, now) == 1
    )


def _count_hit(transaction: Transaction, key: bytes, budget: RateLimit, now: datetime) -> int:
    """Count one hit; return the number of hits in the window, this one included."""
    since = now - budget.window
    hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > since]
    hits = [*hits, now][-max(MAX_HITS_STORED, budget.limit + 1) :]
    challenges.save_hits(transaction, key, hits, budget.window)
    return len(hits)


def _total_key(runtime: Runtime) -> bytes:
    return runtime.rate_limit_key("unverified_codes", "")


def _range_key(runtime: Runtime, number: PhoneNumber) -> bytes:
    return runtime.rate_limit_key("unverified_codes_in_range", number.number_range())
