"""What the overviews of the consoles show: counts of now."""

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class LiveConsents:
    """How many consents to a merchant are live now."""

    live: int
    is_bounded: bool  # there are more: counted up to MAX_COUNTED


def operator_overview(runtime: Runtime) -> OperatorOverview:
    """Return counts over all merchants."""

    def query(transaction: Transaction) -> OperatorOverview:
        return OperatorOverview(
            merchants=overview.count_merchants(transaction),
            queue={
                each.name.lower(): depth(transaction, each, MAX_COUNTED)[0] for each in Priority
            },
        )

    return runtime.database.read(query)


def count_consents(runtime: Runtime, merchant_id: str) -> LiveConsents:
    """Return how many consents to a merchant are live now, counted up to MAX_COUNTED."""
    now = runtime.clock.now()
    live = runtime.database.read(
        lambda transaction: overview.count_live_grants(transaction, merchant_id, now, MAX_COUNTED)
    )
    return LiveConsents(live, is_bounded=live == MAX_COUNTED)
