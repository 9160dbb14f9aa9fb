"""Queries of the consoles' overviews: counts of what there is now, and of today."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.evidence.events import EventKind
from consent_tokens.store.admission_tables import merchants
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import IS_DELETED_BY_TIME, events, grants


def count_merchants(transaction: Transaction) -> Mapping[str, int]:
    """Return how many merchants there are, by status."""
    rows = transaction.execute(
        select(merchants.c.status, func.count()).group_by(merchants.c.status)
    )
    return {row.status: row[1] for row in rows}


def count_live_grants(transaction: Transaction, merchant_id: str, now: datetime) -> int:
    """Return how many consents to a merchant are live now, paused ones left out."""
    counted: int = transaction.execute(
        select(func.count())
        .select_from(grants)
        .where(
            grants.c.merchant_id == merchant_id,
            grants.c.status == GrantStatus.LIVE,
            grants.c.ends_at > now,
        )
    ).scalar_one()
    return counted


def count_refusals(
    transaction: Transaction, since: datetime, merchant_id: str | None = None
) -> Mapping[str, int]:
    """Return how many messages were refused at submission from `since` on, by reason.

    The index on the time of such events serves it.
    """
    query = select(events.c.reason, func.count()).where(
        IS_DELETED_BY_TIME, events.c.at >= since, events.c.kind == EventKind.MESSAGE_REFUSED
    )
    if merchant_id is not None:
        query = query.where(events.c.merchant_id == merchant_id)
    counted = transaction.execute(query.group_by(events.c.reason))
    return {reason or "": count for reason, count in counted}
