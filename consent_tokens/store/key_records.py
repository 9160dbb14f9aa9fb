"""Queries on the records of the keys that rotate: who created and withdrew them, and when.

The keys of token MACs have a table of their own: a process of the version before, which may run
during an upgrade, knows no such kind.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, Table, literal, select, update

from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import key_records, token_mac_keys

TOKEN_MAC: Final = "token_mac"  # noqa: S105 - the kind that the other table holds


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
    return [record for query in _queries() for record in _records(transaction, query)]


def _queries() -> Iterator[Select[Any]]:
    for table, columns in (
        (key_records, key_records.c),
        (token_mac_keys, [literal(TOKEN_MAC).label("kind"), *token_mac_keys.c]),
    ):
        query = select(*columns).order_by("kind", table.c.starts_at, table.c.created_at)
        yield query.order_by(table.c.kid)


def _records(transaction: Transaction, query: Select[Any]) -> Iterator[KeyRecord]:
    for row in transaction.execute(query):
        yield KeyRecord(
            kind=row.kind,
            kid=row.kid,
            created_at=row.created_at,
            created_by=row.created_by,
            starts_at=row.starts_at,
            withdrawn_at=row.withdrawn_at,
            withdrawn_by=row.withdrawn_by,
        )


def add(transaction: Transaction, record: KeyRecord) -> None:
    """Insert a record; if a process has noticed the key first, add by whom it was created."""
    table, key = _place(record.kind, record.kid)
    values = {
        name: getattr(record, name) for name in record.__struct_fields__ if name in table.columns
    }
    if not insert_or_ignore(transaction, table, **values) and record.created_by is not None:
        transaction.execute(
            update(table)
            .where(*key)
            .values(created_by=record.created_by, starts_at=record.starts_at)
        )


def withdraw(transaction: Transaction, kind: str, kid: str, *, at: datetime, by: str) -> None:
    """Record that a key was withdrawn; the first time counts."""
    table, key = _place(kind, kid)
    transaction.execute(
        update(table)
        .where(*key, table.c.withdrawn_at.is_(None))
        .values(withdrawn_at=at, withdrawn_by=by)
    )


def _place(kind: str, kid: str) -> tuple[Table, list[ColumnElement[bool]]]:
    """Return the table of a kind of key, and the conditions that find the key in it."""
    if kind == TOKEN_MAC:
        return token_mac_keys, [token_mac_keys.c.kid == kid]
    return key_records, [key_records.c.kind == kind, key_records.c.kid == kid]
