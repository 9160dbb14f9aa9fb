"""Queries on what holds for all grants of one recipient to one merchant: a lock, and the last stop.

Whoever adds a grant, or changes all grants of a merchant, locks this row first. A grant that is
being added meanwhile is thus either seen, or added after the change.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select, update

from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import merchant_consents as table


def lock(transaction: Transaction, partition: int, merchant_id: str) -> None:
    """Lock the grants of a recipient to a merchant, live and future ones, until the end."""
    query = (
        select(table.c.partition)
        .where(table.c.partition == partition, table.c.merchant_id == merchant_id)
        .with_for_update()
    )
    while transaction.execute(query).first() is None:  # retention may delete it in between
        insert_or_ignore(transaction, table, partition=partition, merchant_id=merchant_id)


def record_stop(transaction: Transaction, partition: int, merchant_id: str, at: datetime) -> None:
    """Save that the consumer stopped a merchant; the row is locked already."""
    transaction.execute(
        update(table)
        .where(table.c.partition == partition, table.c.merchant_id == merchant_id)
        .values(stopped_at=at)
    )


def last_stop(
    transaction: Transaction, partition: int, merchant_ids: Collection[str]
) -> datetime | None:
    """Return when a recipient last stopped one of these merchants; None if never, or long ago."""
    rows = transaction.scalars(
        select(table.c.stopped_at).where(
            table.c.partition == partition, table.c.merchant_id.in_(set(merchant_ids))
        )
    )
    return max((at for at in rows if at is not None), default=None)


def delete_of_recipient(transaction: Transaction, partition: int) -> None:
    """Delete the stops of a recipient."""
    transaction.execute(delete(table).where(table.c.partition == partition))
