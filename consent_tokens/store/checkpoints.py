"""Checkpoints (how far the journal was read, the latest clock time) and the journal's outbox."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import delete, func, insert, select, update

from consent_tokens.row_key import RowKey
from consent_tokens.store.bulk import ROW_KEY_COLUMNS, RowSet
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import checkpoints, journal_outbox

JOURNAL: Final = "journal"
CLOCK: Final = "clock"
DISPATCHER: Final = "dispatcher"
ISSUER: Final = "issuer"  # that the tokens of this database name
BATCH_SIZE: Final = 5000  # row keys per statement


def find(transaction: Transaction, name: str) -> str | None:
    """Return a checkpoint; None if it was never saved."""
    value: str | None = transaction.execute(
        select(checkpoints.c.value).where(checkpoints.c.name == name)
    ).scalar_one_or_none()
    return value


def save(transaction: Transaction, name: str, value: str) -> None:
    """Save a checkpoint."""
    if not insert_or_ignore(transaction, checkpoints, name=name, value=value):
        transaction.execute(
            update(checkpoints).where(checkpoints.c.name == name).values(value=value)
        )


def database_time(transaction: Transaction) -> datetime | None:
    """Return the clock of the database server; None for SQLite, which runs on ours."""
    if transaction.dialect.name == "sqlite":
        return None
    moment: datetime = transaction.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)


def enqueue_journal_entry(transaction: Transaction, key: RowKey, at: datetime) -> None:
    """Queue the end of a grant for the journal, in the transaction that ends the grant."""
    transaction.execute(insert(journal_outbox).values(partition=key.partition, id=key.id, at=at))


def pending_journal_entries(transaction: Transaction, limit: int) -> list[tuple[RowKey, datetime]]:
    """Return up to `limit` entries that are not in the journal yet."""
    rows = transaction.execute(select(journal_outbox).limit(limit))
    return [(RowKey(row.partition, row.id), row.at) for row in rows]


def delete_journal_entry(transaction: Transaction, key: RowKey) -> None:
    """Delete an entry that has been written to the journal."""
    transaction.execute(
        delete(journal_outbox).where(
            journal_outbox.c.partition == key.partition, journal_outbox.c.id == key.id
        )
    )


LIVE_GRANTS: Final = """
SELECT g.partition, g.id FROM {input}
JOIN grants g ON g.partition = input.partition AND g.id = input.id
WHERE g.wrapped_key IS NOT NULL
"""


def live_grants_among(transaction: Transaction, keys: Sequence[RowKey]) -> list[RowKey]:
    """Return those of the grants whose key still exists."""
    found: list[RowKey] = []
    for begin in range(0, len(keys), BATCH_SIZE):
        batch = keys[begin : begin + BATCH_SIZE]
        rows = RowSet(ROW_KEY_COLUMNS, batch).run(transaction, LIVE_GRANTS)
        found += [RowKey(row.partition, row.id) for row in rows]
    return found
