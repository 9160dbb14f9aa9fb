"""Questions about fingerprints: which message of ours a pasted text was."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select

from consent_tokens.row_key import RowKey
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import fingerprints as table

COLUMNS: Final = ("fingerprint", "partition", "id", "sent_at")


def add(transaction: Transaction, left: Sequence[tuple[bytes, RowKey]], at: datetime) -> None:
    """Keep the fingerprints of texts that have left, with one statement."""
    insert_rows(
        transaction,
        "fingerprints",
        COLUMNS,
        [(digest, *key, int(at.timestamp())) for digest, key in left],
        or_ignore=True,  # a message that is tried again leaves the same one
    )


def find(
    transaction: Transaction, digest: bytes, *, since: datetime, until: datetime
) -> list[tuple[RowKey, datetime]]:
    """Return the messages with this fingerprint that left within a time, with when they did."""
    rows = transaction.execute(
        select(table.c.partition, table.c.id, table.c.sent_at).where(
            table.c.fingerprint == digest, table.c.sent_at >= since, table.c.sent_at <= until
        )
    )
    return [(RowKey(row.partition, row.id), row.sent_at) for row in rows]


def delete_of_recipient(transaction: Transaction, partition: int) -> None:
    """Forget the fingerprints of a recipient's messages."""
    transaction.execute(delete(table).where(table.c.partition == partition))


def delete_before(transaction: Transaction, before: datetime) -> None:
    """Forget fingerprints of texts that left before."""
    transaction.execute(delete(table).where(table.c.sent_at < before))
