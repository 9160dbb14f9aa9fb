"""How often something may be done: sliding windows, under a keyed hash of who does it."""

from collections.abc import Sequence
from datetime import datetime

from consent_tokens.relay.frequency_cap import Cap, next_free
from consent_tokens.store import challenges
from consent_tokens.store.database import Transaction


def hit(transaction: Transaction, key: bytes, limits: Sequence[Cap], now: datetime) -> datetime:
    """Count one hit, if every limit allows it; return when it does: `now`, or later."""
    longest = max(limit.within for limit in limits)
    hits = [each for each in challenges.lock_hits(transaction, key) if each > now - longest]
    again = max(next_free(limit, hits, now) for limit in limits)
    if again == now:
        challenges.put_hits(transaction, key, [*hits, now], longest)
    return again
