"""Rate limits: sliding windows, counted under a keyed hash of what is limited."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from consent_tokens.errors import TooManyRequestsError
from consent_tokens.policies import RateLimit
from consent_tokens.relay.frequency_cap import next_allowed_at
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import challenges
from consent_tokens.store.database import Transaction


def try_acquire(
    transaction: Transaction, key: bytes, rate_limits: Sequence[RateLimit], now: datetime
) -> datetime:
    """Count one hit if every limit allows it.

    Returns when the limits allow it: `now` if it was counted, else a later time. The counter at
    `key` stays locked until the transaction ends.
    """
    longest = max(each.window for each in rate_limits)
    hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > now - longest]
    allowed_at = max(next_allowed_at(each, hits, now) for each in rate_limits)
    if allowed_at == now:
        challenges.save_hits(transaction, key, [*hits, now], longest)
    return allowed_at


def acquire(
    transaction: Transaction, key: bytes, rate_limits: Sequence[RateLimit], now: datetime
) -> None:
    """Count one hit as `try_acquire`. Raises TooManyRequestsError if a limit does not allow it."""
    allowed_at = try_acquire(transaction, key, rate_limits, now)
    if allowed_at != now:
        raise TooManyRequestsError(int((allowed_at - now).total_seconds()))


def acquire_now(runtime: Runtime, name: str, value: str, rate_limit: RateLimit) -> None:
    """Count one hit of a value under a named limit, in a transaction of its own, as `acquire`."""
    key = runtime.rate_limit_key(name, value)
    now = runtime.clock.now()
    runtime.database.run(lambda transaction: acquire(transaction, key, [rate_limit], now))


def last_hit(
    transaction: Transaction, key: bytes, window: timedelta, now: datetime
) -> datetime | None:
    """Return when the last hit within `window` was counted, or None."""
    hits = [hit for hit in challenges.lock_hits(transaction, key) if hit > now - window]
    return max(hits, default=None)
