"""Queries of the consoles' overviews: counts of what there is now, and of today."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.store.admission_tables import merchants
from consent_tokens.store.database import Transaction, count_rows
from consent_tokens.store.tables import grants


def count_merchants(transaction: Transaction) -> Mapping[str, int]:
    """Return how many merchants there are, by status."""
    rows = transaction.execute(
        select(merchants.c.status, func.count()).group_by(merchants.c.status)
    )
    return {row.status: row[1] for row in rows}


def count_live_grants(transaction: Transaction, merchant_id: str, now: datetime, limit: int) -> int:
    """Return how many consents to a merchant are live now, up to `limit`; paused ones left out."""
    live = select(grants.c.id).where(
        grants.c.merchant_id == merchant_id,
        grants.c.status == GrantStatus.LIVE,
        grants.c.ends_at > now,
    )
    return count_rows(transaction, live, limit)
