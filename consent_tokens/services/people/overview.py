"""What the overviews of the consoles show: counts of now and of today."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent_tokens.clock import start_of_day
from consent_tokens.relay.message import Priority
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import events, overview
from consent_tokens.store.database import Transaction
from consent_tokens.store.outbox import depth

MAX_COUNTED: Final = 100_000  # messages of the queue


@dataclass(frozen=True, slots=True)
class OperatorOverview:
    """What the operator's overview shows; the day began at `since` (UTC)."""

    since: datetime
    merchants: Mapping[str, int]  # by status
    refusals: Mapping[str, int]  # of today, by reason
    queue: Mapping[str, int]  # messages that wait, by priority; counted up to MAX_COUNTED


@dataclass(frozen=True, slots=True)
class MerchantOverview:
    """What a merchant's overview shows; the day began at `since` (UTC)."""

    since: datetime
    live_consents: int
    refusals: Mapping[str, int]  # of today, by reason


def operator_overview(runtime: Runtime) -> OperatorOverview:
    """Return counts over all merchants."""
    since = start_of_day(runtime.clock.now())

    def query(transaction: Transaction) -> OperatorOverview:
        return OperatorOverview(
            since=since,
            merchants=overview.count_merchants(transaction),
            refusals=events.count_refusals(transaction, since),
            queue={
                each.name.lower(): depth(transaction, each, MAX_COUNTED)[0] for each in Priority
            },
        )

    return runtime.database.read(query)


def merchant_overview(runtime: Runtime, merchant_id: str) -> MerchantOverview:
    """Return counts of one merchant."""
    now = runtime.clock.now()
    since = start_of_day(now)

    def query(transaction: Transaction) -> MerchantOverview:
        return MerchantOverview(
            since=since,
            live_consents=overview.count_live_grants(transaction, merchant_id, now),
            refusals=events.count_refusals(transaction, since, merchant_id),
        )

    return runtime.database.read(query)
