"""What the overviews of the consoles show: counts of now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent_tokens.relay.message import Priority
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import overview
from consent_tokens.store.database import Transaction
from consent_tokens.store.outbox import depth

MAX_COUNTED: Final = 100_000  # messages of the queue, and consents


@dataclass(frozen=True, slots=True)
class OperatorOverview:
    """What the operator's overview shows of now."""

    merchants: Mapping[str, int]  # by status
    queue: Mapping[str, int]  # messages that wait, by priority; counted up to MAX_COUNTED
    due_since: datetime | None  # when the first of those that are due was due; None: none is


@dataclass(frozen=True, slots=True)
class LiveConsents:
    """How many consents to a merchant are live now."""

    live: int
    is_bounded: bool  # there are more: counted up to MAX_COUNTED


def operator_overview(runtime: Runtime) -> OperatorOverview:
    """Return counts over all merchants."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> OperatorOverview:
        depths = {each: depth(transaction, each, MAX_COUNTED) for each in Priority}
        due = [first for _count, first in depths.values() if first and first < now]
        return OperatorOverview(
            merchants=overview.count_merchants(transaction),
            queue={each.name.lower(): count for each, (count, _first) in depths.items()},
            due_since=min(due, default=None),
        )

    return runtime.database.read(query)


def count_consents(runtime: Runtime, merchant_id: str) -> LiveConsents:
    """Return how many consents to a merchant are live now, counted up to MAX_COUNTED."""
    now = runtime.clock.now()
    live = runtime.database.read(
        lambda transaction: overview.count_live_grants(transaction, merchant_id, now, MAX_COUNTED)
    )
    return LiveConsents(live, is_bounded=live == MAX_COUNTED)
