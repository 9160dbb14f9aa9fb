"""Questions about fingerprints: which message of ours a pasted text was."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select

from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.store.database import Transaction, insert_rows
from consent_tokens.store.tables import fingerprints as table

COLUMNS: Final = ("digest", "home", "number", "at")


def add(transaction: Transaction, left: Sequence[tuple[bytes, RowKey]], at: datetime) -> None:
    """Keep the fingerprints of texts that have left, with one statement."""
    insert_rows(
        transaction,
        "fingerprints",
        COLUMNS,
        [(digest, *address, int(at.timestamp())) for digest, address in left],
        or_ignore=True,  # a message that is tried again leaves the same one
    )


def find(
    transaction: Transaction, digest: bytes, *, since: datetime, until: datetime
) -> list[tuple[RowKey, datetime]]:
    """Return the messages with this fingerprint that left within a time, with when they did."""
    rows = transaction.execute(
        select(table.c.home, table.c.number, table.c.at).where(
            table.c.digest == digest, table.c.at >= since, table.c.at <= until
        )
    )
    return [(RowKey(row.home, row.number), row.at) for row in rows]


def delete_of_recipient(transaction: Transaction, home: int) -> None:
    """Forget the fingerprints of a recipient's messages."""
    transaction.execute(delete(table).where(table.c.home == home))


def delete_before(transaction: Transaction, before: datetime) -> None:
    """Forget fingerprints of texts that left before."""
    transaction.execute(delete(table).where(table.c.at < before))
