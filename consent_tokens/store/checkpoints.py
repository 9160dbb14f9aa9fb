"""How far the database has come: of the revocation journal, and of the clock."""

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


def find(transaction: Transaction, name: str) -> str | None:
    """Return a mark; None if it was never set."""
    value: str | None = transaction.execute(
        select(checkpoints.c.value).where(checkpoints.c.name == name)
    ).scalar_one_or_none()
    return value


def save(transaction: Transaction, name: str, value: str) -> None:
    """Set a mark."""
    if not insert_or_ignore(transaction, checkpoints, name=name, value=value):
        transaction.execute(
            update(checkpoints).where(checkpoints.c.name == name).values(value=value)
        )


def database_time(transaction: Transaction) -> datetime | None:
    """Return what time the database's own machine has; None if that is ours."""
    if transaction.dialect.name == "sqlite":
        return None
    moment: datetime = transaction.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)


def enqueue_journal_entry(transaction: Transaction, key: RowKey, at: datetime) -> None:
    """Remember, together with the end of a grant, that the journal has yet to be told."""
    transaction.execute(insert(journal_outbox).values(partition=key.partition, id=key.id, at=at))


def pending_journal_entries(transaction: Transaction, limit: int) -> list[tuple[RowKey, datetime]]:
    """Return ends that the journal has yet to be told."""
    rows = transaction.execute(select(journal_outbox).limit(limit))
    return [(RowKey(row.partition, row.id), row.at) for row in rows]


def delete_journal_entry(transaction: Transaction, key: RowKey) -> None:
    """Forget that the journal had to be told: it was."""
    transaction.execute(
        delete(journal_outbox).where(
            journal_outbox.c.partition == key.partition, journal_outbox.c.id == key.id
        )
    )


STILL_LIVE: Final = """
SELECT g.partition, g.id FROM {input}
JOIN grants g ON g.partition = input.partition AND g.id = input.id
WHERE g.wrapped_key IS NOT NULL
"""


def live_grants_among(transaction: Transaction, keys: Sequence[RowKey]) -> list[RowKey]:
    """Return which of these grants still have their key."""
    found: list[RowKey] = []
    for begin in range(0, len(keys), BATCH_SIZE):
        part = keys[begin : begin + BATCH_SIZE]
        rows = RowSet(ROW_KEY_COLUMNS, part).run(transaction, STILL_LIVE)
        found += [RowKey(row.partition, row.id) for row in rows]
    return found


BATCH_SIZE: Final = 5000
