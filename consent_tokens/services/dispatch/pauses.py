"""What dispatchers do with paused messages: they wait, and expire with their validity."""

from datetime import timedelta
from typing import Final

from consent_tokens.services.dispatch.outcomes import complete, expired_outcome
from consent_tokens.services.outbox.in_flight_wait import LEASE_SECONDS
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import dispatch_pauses, outbox
from consent_tokens.store.database import Transaction

LEASE_DURATION: Final = timedelta(seconds=LEASE_SECONDS)
EXPIRY_BATCH: Final = 1000  # messages of one look at what is paused


def expire_paused(runtime: Runtime) -> int:
    """Complete paused messages whose validity has ended, up to EXPIRY_BATCH; return how many."""
    now = runtime.clock.now()
    paused = runtime.database.read(dispatch_pauses.paused_subjects)
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

    return runtime.database.run(work)
