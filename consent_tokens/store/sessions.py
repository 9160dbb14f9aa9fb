"""Queries on consumers' sessions, kept on the server so that a logout ends them at once."""

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import consumer_sessions as table


def add(transaction: Transaction, session_id: bytes, partition: int, at: datetime) -> None:
    """Insert a session; `session_id` is the hash of what the cookie holds."""
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
    """Return the partition of a live session and set its last use to `now`; None if there is none.

    A session is live if it began after `begun_after` and was last used after `seen_after`.
    """
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
    """Delete a session."""
    transaction.execute(delete(table).where(table.c.id == session_id))


def delete_of_recipient(transaction: Transaction, partition: int) -> None:
    """Delete every session of a recipient."""
    transaction.execute(delete(table).where(table.c.partition == partition))


def set_support_code(
    transaction: Transaction, session_id: bytes, code_hash: bytes, until: datetime
) -> bool:
    """Save the hash of a session's support code in place of one before; False without a session."""
    result = transaction.execute(
        update(table)
        .where(table.c.id == session_id)
        .values(support_hash=code_hash, support_until=until)
    )
    return result.rowcount == 1


def support_code_end(transaction: Transaction, code_hash: bytes, now: datetime) -> datetime | None:
    """Return until when a support code works; None if it is wrong, used or expired."""
    return transaction.scalar(
        select(table.c.support_until).where(
            table.c.support_hash == code_hash, table.c.support_until > now
        )
    )


def use_support_code(transaction: Transaction, code_hash: bytes, now: datetime) -> int | None:
    """Return the partition of the session with a support code, once; None if there is none."""
    partition: int | None = transaction.scalar(
        update(table)
        .where(table.c.support_hash == code_hash, table.c.support_until > now)
        .values(support_hash=None, support_until=None)
        .returning(table.c.partition)
    )
    return partition
