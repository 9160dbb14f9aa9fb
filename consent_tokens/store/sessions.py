"""Questions about consumers' sessions: kept here, so that ending one ends it everywhere."""

from datetime import datetime

from sqlalchemy import delete, insert, update

from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import consumer_sessions as table


def add(transaction: Transaction, session_id: bytes, partition: int, at: datetime) -> None:
    """Keep a new session."""
    transaction.execute(
        insert(table).values(id=session_id, partition=partition, begun_at=at, seen_at=at)
    )


def touch(
    transaction: Transaction,
    session_id: bytes,
    now: datetime,
    *,
    begun_after: datetime,
    seen_after: datetime,
) -> int | None:
    """Return the home of a session that is neither too old nor too long idle; else None."""
    partition: int | None = transaction.scalar(
        update(table)
        .where(
            table.c.id == session_id,
            table.c.begun_at > begun_after,
            table.c.seen_at > seen_after,
        )
        .values(seen_at=now)
        .returning(table.c.partition)
    )
    return partition


def delete_session(transaction: Transaction, session_id: bytes) -> None:
    """Forget a session."""
    transaction.execute(delete(table).where(table.c.id == session_id))


def delete_idle(transaction: Transaction, seen_before: datetime) -> None:
    """Forget sessions that nobody uses."""
    transaction.execute(delete(table).where(table.c.seen_at < seen_before))


def delete_of_recipient(transaction: Transaction, partition: int) -> None:
    """Forget every session of a recipient."""
    transaction.execute(delete(table).where(table.c.partition == partition))
