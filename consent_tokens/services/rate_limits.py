"""How often something may be done: sliding windows, under a keyed hash of who does it."""

from collections.abc import Sequence
from datetime import datetime

from consent_tokens.relay.frequency_cap import Limit, next_allowed_at
from consent_tokens.store import challenges
from consent_tokens.store.database import Transaction


def try_acquire(
    transaction: Transaction, key: bytes, rate_limits: Sequence[Limit], now: datetime
) -> datetime:
    """Count one hit, if every limit allows it; return when it does: `now`, or later."""
    longest = max(limit.window for limit in rate_limits)
    hits = [each for each in challenges.lock_hits(transaction, key) if each > now - longest]
    again = max(next_allowed_at(limit, hits, now) for limit in rate_limits)
    if again == now:
        challenges.save_hits(transaction, key, [*hits, now], longest)
    return again
