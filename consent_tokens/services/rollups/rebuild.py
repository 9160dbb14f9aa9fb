"""Count days anew from what is stored, where their counts were lost.

What a stop and a refusal at submission were about is not stored: they count for the merchant. A
stop of all merchants at once counts for each, and of what was erased or deleted nothing counts.
"""

from consent_tokens.errors import InvalidError
from consent_tokens.policies import RetentionPolicy
from consent_tokens.relay.pacing import day_of
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import rollup_rebuild, rollups
from consent_tokens.store.database import Transaction


def rebuild(runtime: Runtime, retention: RetentionPolicy, days: int) -> None:
    """Count the last days anew, today and those before it, with a transaction each.

    Raises InvalidError for days whose messages may be deleted.
    """
    kept = retention.records.days
    if not 0 < days < kept:
        raise InvalidError({"days": [f"must be from 1 to {kept - 1}: older records are deleted"]})
    today = day_of(runtime.clock.now())
    for day in range(today - days + 1, today + 1):

        def work(transaction: Transaction, day: int = day) -> None:
            rollup_rebuild.begin(transaction)
            rollups.lock(transaction)
            counts = rollup_rebuild.count_day(transaction, day)
            rollup_rebuild.delete_day(transaction, day)
            rollups.add(transaction, counts)

        runtime.database.run(work)
