"""Queries on the requests of this minute, of an API key or a merchant."""

from sqlalchemy import select, update

from consent_tokens.store.admission_tables import api_rates
from consent_tokens.store.database import Transaction, insert_or_ignore


def take(
    transaction: Transaction, bucket: str, minute: int, *, wanted: int, limit: int
) -> tuple[int, int]:
    """Take up to `wanted` requests of a minute; return how many, and how many are taken now.

    Of another process whose clock is ahead, the later minute counts. The row stays locked until the
    transaction ends.
    """
    query = select(api_rates).where(api_rates.c.bucket == bucket).with_for_update()
    row = transaction.execute(query).one_or_none()
    if row is None:
        insert_or_ignore(transaction, api_rates, bucket=bucket, minute=minute, used=0)
        row = transaction.execute(query).one()
    used = row.used if row.minute >= minute else 0
    taken = min(wanted, max(0, limit - used))
    if taken:
        transaction.execute(
            update(api_rates)
            .where(api_rates.c.bucket == bucket)
            .values(minute=max(minute, row.minute), used=used + taken)
        )
    return taken, used + taken
