"""Rate limits of API keys and merchants: so many requests a minute, over all processes.

A process takes requests from the database in blocks of 2 % of the limit, and counts them in memory:
a transaction for each request would cost more than the request.
"""

import threading
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from consent_tokens.relay.admission.api_access import ApiKey
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import api_rates

WINDOW_SECONDS: Final = 60
BLOCKS: Final = 50  # in a limit
EXHAUSTED: Final = -1
MAX_BUCKETS: Final = 10_000  # of a process


class RateStanding(NamedTuple):
    """How a rate limit stands: `remaining` of `limit` until `reset` seconds from now."""

    name: str  # key or merchant
    limit: int
    remaining: int
    reset: int
    is_allowed: bool = True


@dataclass(slots=True)
class _Bucket:
    """What this process took of the requests of a minute."""

    minute: int = -1  # since the epoch
    left: int = 0
    used: int = 0  # by all processes, when this one last took a block
    is_exhausted: bool = False
    taking: threading.Lock = field(default_factory=threading.Lock)  # of the thread that takes one

    def begin(self, minute: int) -> None:
        """Begin another minute, unless it has begun."""
        if self.minute != minute:
            self.minute, self.left, self.used, self.is_exhausted = minute, 0, 0, False


@dataclass(slots=True)
class ApiRates:
    """The rate limits as one process counts them. Thread-safe."""

    runtime: Runtime
    merchant_limit: int  # requests a minute; 0: none
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _buckets: dict[str, _Bucket] = field(default_factory=dict)

    def take(self, key: ApiKey) -> RateStanding | None:
        """Count a request; return how its tightest limit stands, None without any limit.

        Raises what the database raises.
        """
        rate = key.access.rate
        if not rate and not self.merchant_limit:
            return None
        now = int(self.runtime.clock.now().timestamp())
        own = self._count("key", key.id, rate, now) if rate else None
        if not self.merchant_limit or (own and not own.is_allowed):
            return own
        whole = self._count("merchant", key.merchant_id, self.merchant_limit, now)
        return own if own and whole.remaining >= own.remaining and whole.is_allowed else whole

    def _count(self, name: str, bucket_id: str, limit: int, now: int) -> RateStanding:
        minute, passed = divmod(now, WINDOW_SECONDS)
        bucket = self._bucket(bucket_id)
        remaining = self._spend(bucket, limit, minute)
        if remaining is None:
            with bucket.taking:  # those who waited spend what one of them took
                remaining = self._spend(bucket, limit, minute)
                if remaining is None:
                    remaining = self._take_block(bucket, bucket_id, limit, minute)
        reset = WINDOW_SECONDS - passed
        return RateStanding(name, limit, max(0, remaining), reset, remaining >= 0)

    def _bucket(self, bucket_id: str) -> _Bucket:
        with self._lock:
            bucket = self._buckets.get(bucket_id)
            if bucket is None:
                if len(self._buckets) >= MAX_BUCKETS:
                    self._buckets.clear()
                bucket = self._buckets[bucket_id] = _Bucket()
            return bucket

    def _spend(self, bucket: _Bucket, limit: int, minute: int) -> int | None:
        """Spend one request of those taken; return how many remain, EXHAUSTED if none can be had.

        None: a block is to be taken first.
        """
        with self._lock:
            if bucket.minute != minute:
                return None
            if bucket.left > 0:
                bucket.left -= 1
                return max(0, limit - bucket.used + bucket.left)
            return EXHAUSTED if bucket.is_exhausted else None

    def _take_block(self, bucket: _Bucket, bucket_id: str, limit: int, minute: int) -> int:
        """Take a block, and spend one request of it; return what remains, or EXHAUSTED."""
        wanted = max(1, limit // BLOCKS)
        taken, used = self.runtime.database.run(
            lambda transaction: api_rates.take(
                transaction, bucket_id, minute, wanted=wanted, limit=limit
            )
        )
        with self._lock:
            bucket.begin(minute)
            bucket.left += max(0, taken - 1)
            bucket.used = max(bucket.used, used)
            bucket.is_exhausted = taken < wanted
            return max(0, limit - bucket.used + bucket.left) if taken else EXHAUSTED
