"""Count in the transaction of what is counted, and add to the counts of the day soon after.

On the way of a message this is one more statement for a whole group of messages. What it inserts is
added to the daily counts by `add_increments`, which a worker of the dispatcher calls.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from consent_tokens.evidence.rollups import Counted, CountedFor, Measure, of_messages
from consent_tokens.relay.message import Message
from consent_tokens.relay.pacing import day_of
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import rollups
from consent_tokens.store.database import Transaction

BATCH_SIZE: Final = 5000  # rows that one transaction adds


def count(runtime: Runtime, transaction: Transaction, counts: Counter[Counted]) -> None:
    """Count things in the transaction that they are done in.

    A number may be less than 0, to correct what was counted.
    """
    if counts:
        now = runtime.clock.now()
        rollups.insert(transaction, counts, now, lambda: runtime.new_key(runtime.new_partition()))


def count_one(
    runtime: Runtime,
    transaction: Transaction,
    measure: Measure,
    of: CountedFor | None,
    reason: str = "",
) -> None:
    """Count one thing of today; nothing if it counts for nobody."""
    if of:
        today = day_of(runtime.clock.now())
        count(runtime, transaction, Counter([Counted(today, of, measure, reason)]))


def count_refused(
    runtime: Runtime,
    transaction: Transaction,
    refused: Iterable[Message],
    now: datetime,
    reason: str,
) -> None:
    """Count messages that waited and will not be sent."""
    count(runtime, transaction, of_messages(refused, Measure.REFUSED, now, reason))


def add_increments(runtime: Runtime) -> int:
    """Add up to BATCH_SIZE rows of what was counted to the counts of their days; return how many.

    One transaction at a time does so, of all processes.
    """
    if not runtime.database.read(rollups.has_increments):
        return 0

    def work(transaction: Transaction) -> int:
        rollups.lock(transaction)
        rows, counts = rollups.take(transaction, BATCH_SIZE)
        rollups.add(transaction, counts)
        return rows

    return runtime.database.run(work)
