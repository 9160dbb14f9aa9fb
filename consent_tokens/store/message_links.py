"""Queries on the links in texts: the keyed hash of a link's id leads to its message."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select

from consent_tokens.row_key import RowKey
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import message_links as table

COLUMNS: Final = ("link_hash", "partition", "id", "expires_at")


def add(
    transaction: Transaction, links: Sequence[tuple[bytes, RowKey, datetime]]
) -> frozenset[RowKey]:
    """Insert links, each with its message and its end; return the messages whose link is new.

    A hash that exists already stays as it is: it leads to another message.
    """
    rows = [(link_hash, *key, int(ends.timestamp())) for link_hash, key, ends in links]
    added = insert_rows(transaction, "message_links", COLUMNS, rows, or_ignore=True)
    if added == len(rows):
        return frozenset(key for _, key, _ in links)
    return frozenset(key for link_hash, key, _ in links if _of(transaction, link_hash) == key)


def _of(transaction: Transaction, link_hash: bytes) -> RowKey | None:
    row = transaction.execute(
        select(table.c.partition, table.c.id).where(table.c.link_hash == link_hash)
    ).first()
    return RowKey(row.partition, row.id) if row else None


def find(transaction: Transaction, link_hash: bytes, now: datetime) -> RowKey | None:
    """Return the message that a link leads to; None if there is none, or it has expired."""
    row = transaction.execute(
        select(table.c.partition, table.c.id).where(
            table.c.link_hash == link_hash, table.c.expires_at > now
        )
    ).first()
    return RowKey(row.partition, row.id) if row else None


def delete_of_recipient(transaction: Transaction, partition: int) -> None:
    """Delete the links in a recipient's texts."""
    transaction.execute(delete(table).where(table.c.partition == partition))
