"""What dispatchers do with paused messages: they wait, and expire with their validity."""

from dataclasses import replace
from typing import Final

from consent_tokens.services.dispatch.lease import LEASE_DURATION
from consent_tokens.services.dispatch.outcomes import complete, expired_outcome
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import dispatch_pauses, outbox
from consent_tokens.store.database import Transaction

EXPIRY_BATCH: Final = 1000  # messages of one transaction
MAX_EXPIRY_SECONDS: Final = 2.0  # of one call; nothing else is dispatched meanwhile


def expire_paused(runtime: Runtime, worker_id: str) -> int:
    """Complete paused messages whose validity has ended, for MAX_EXPIRY_SECONDS; return how many.

    To a dispatcher that is drained (`worker_id`), all are paused: no other one may be running.
    """
    now, started = runtime.clock.now(), runtime.clock.monotonic()
    paused = runtime.database.read(dispatch_pauses.paused_subjects)
    paused = replace(paused, is_all=paused.stops(worker_id))
    if not (paused.is_all or paused.merchants or paused.senders):
        return 0
    # SQLite has one writer, and to look may take a while: so nothing is locked meanwhile
    if not runtime.database.read(lambda at: outbox.has_expired(at, paused, now)):
        return 0

    def work(transaction: Transaction) -> int:
        found = outbox.lease_expired(
            transaction, paused, now, until=now + LEASE_DURATION, limit=EXPIRY_BATCH
        )
        complete(runtime, transaction, [(each, expired_outcome(each, now)) for each in found], now)
        return len(found)

    count = expired = runtime.database.run(work)
    while count == EXPIRY_BATCH and runtime.clock.monotonic() - started < MAX_EXPIRY_SECONDS:
        count = runtime.database.run(work)
        expired += count
    return expired
