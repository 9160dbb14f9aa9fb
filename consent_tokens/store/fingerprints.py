"""Queries on text fingerprints: they find the message that a pasted text was sent as."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select

from consent_tokens.row_key import RowKey
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import fingerprints as table

COLUMNS: Final = ("fingerprint", "partition", "id", "sent_at")


def add(transaction: Transaction, sent: Sequence[tuple[bytes, RowKey]], at: datetime) -> None:
    """Insert the fingerprints of texts that were sent, each with its message, in one statement."""
    insert_rows(
        transaction,
        "fingerprints",
        COLUMNS,
        [(fingerprint, *key, int(at.timestamp())) for fingerprint, key in sent],
        or_ignore=True,  # a retried message has the same fingerprint
    )


def find(
    transaction: Transaction, fingerprint: bytes, *, since: datetime, until: datetime
) -> list[tuple[RowKey, datetime]]:
    """Return the messages with this fingerprint that were sent in a period, with their times."""
    rows = transaction.execute(
        select(table.c.partition, table.c.id, table.c.sent_at).where(
            table.c.fingerprint == fingerprint, table.c.sent_at >= since, table.c.sent_at <= until
        )
    )
    return [(RowKey(row.partition, row.id), row.sent_at) for row in rows]


def of_recipient(transaction: Transaction, partition: int) -> list[tuple[bytes, int, datetime]]:
    """Return the fingerprints of a recipient's messages, with message ids and times."""
    rows = transaction.execute(
        select(table.c.fingerprint, table.c.id, table.c.sent_at).where(
            table.c.partition == partition
        )
    )
    return [(row.fingerprint, row.id, row.sent_at) for row in rows]


def delete_of_recipient(transaction: Transaction, partition: int) -> None:
    """Delete the fingerprints of a recipient's messages."""
    transaction.execute(delete(table).where(table.c.partition == partition))
