"""Questions about consumers' sessions: kept here, so that ending one ends it everywhere."""

from datetime import datetime

from sqlalchemy import delete, insert, update

from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import sessions


def add(transaction: Transaction, session_id: bytes, home: int, at: datetime) -> None:
    """Keep a new session."""
    transaction.execute(insert(sessions).values(id=session_id, home=home, begun_at=at, seen_at=at))


def touch(
    transaction: Transaction,
    session_id: bytes,
    now: datetime,
    *,
    begun_after: datetime,
    seen_after: datetime,
) -> int | None:
    """Return the home of a session that is neither too old nor too long idle; else None."""
    home: int | None = transaction.scalar(
        update(sessions)
        .where(
            sessions.c.id == session_id,
            sessions.c.begun_at > begun_after,
            sessions.c.seen_at > seen_after,
        )
        .values(seen_at=now)
        .returning(sessions.c.home)
    )
    return home


def delete_session(transaction: Transaction, session_id: bytes) -> None:
    """Forget a session."""
    transaction.execute(delete(sessions).where(sessions.c.id == session_id))


def delete_idle(transaction: Transaction, seen_before: datetime) -> None:
    """Forget sessions that nobody uses."""
    transaction.execute(delete(sessions).where(sessions.c.seen_at < seen_before))


def delete_of_recipient(transaction: Transaction, home: int) -> None:
    """Forget every session of a recipient."""
    transaction.execute(delete(sessions).where(sessions.c.home == home))
