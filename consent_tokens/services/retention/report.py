"""What is due for deletion, what was deleted, and how long each kind is kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from consent_tokens.policies import ConsentPolicy
from consent_tokens.services.policies_by_rules import with_rules
from consent_tokens.services.retention.kinds import KINDS, Kind
from consent_tokens.services.retention.sweep import due_before
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import retention
from consent_tokens.store.database import Transaction
from consent_tokens.store.retention import Run


@dataclass(frozen=True, slots=True)
class KindReport:
    """How a kind stands: `due` rows are deleted by the next runs."""

    kind: Kind
    kept_for: timedelta | None
    due_before: datetime | None
    due: int
    run: Run | None  # None: nothing deletes this kind by its time, or the dispatcher never ran


def report_retention(
    runtime: Runtime, policy: ConsentPolicy, *, limit: int | None = None
) -> list[KindReport]:
    """Return how each kind stands, in the order of KINDS; rows that are due count up to `limit`."""
    now, policy = runtime.clock.now(), with_rules(runtime, policy)

    def query(transaction: Transaction) -> list[KindReport]:
        runs = retention.runs(transaction)
        return [
            KindReport(
                kind=kind,
                kept_for=kind.kept_for(policy),
                due_before=(before := due_before(kind, policy, now)),
                due=retention.count_due(transaction, kind.name, before, limit) if before else 0,
                run=runs.get(kind.name),
            )
            for kind in KINDS
        ]

    return runtime.database.read(query)
