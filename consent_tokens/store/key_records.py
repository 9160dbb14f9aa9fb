"""Queries on the records of the keys that rotate: who created and withdrew them, and when."""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import select, update

from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import key_records as table


class KeyRecord(Struct, frozen=True, kw_only=True):
    """What the database knows of a key: its id, never the key."""

    kind: str
    kid: str
    created_at: datetime
    created_by: str | None
    starts_at: datetime
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None


def all_records(transaction: Transaction) -> list[KeyRecord]:
    """Return all records, by kind and time."""
    rows = transaction.execute(
        select(table).order_by(table.c.kind, table.c.starts_at, table.c.created_at, table.c.kid)
    )
    return [
        KeyRecord(
            kind=row.kind,
            kid=row.kid,
            created_at=row.created_at,
            created_by=row.created_by,
            starts_at=row.starts_at,
            withdrawn_at=row.withdrawn_at,
            withdrawn_by=row.withdrawn_by,
        )
        for row in rows
    ]


def add(transaction: Transaction, record: KeyRecord) -> None:
    """Insert a record; if a process has noticed the key first, add by whom it was created."""
    values = {name: getattr(record, name) for name in record.__struct_fields__}
    if not insert_or_ignore(transaction, table, **values) and record.created_by is not None:
        transaction.execute(
            update(table)
            .where(table.c.kind == record.kind, table.c.kid == record.kid)
            .values(created_by=record.created_by, starts_at=record.starts_at)
        )


def withdraw(transaction: Transaction, kind: str, kid: str, *, at: datetime, by: str) -> None:
    """Record that a key was withdrawn; the first time counts."""
    transaction.execute(
        update(table)
        .where(table.c.kind == kind, table.c.kid == kid, table.c.withdrawn_at.is_(None))
        .values(withdrawn_at=at, withdrawn_by=by)
    )
