"""How far the database has come: of the revocation journal, and of the clock."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import delete, func, insert, select, update

from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.store.database import ROW_KEY_COLUMNS, RowSet, Transaction, insert_or_ignore
from consent_tokens.store.tables import marks, to_journal

JOURNAL: Final = "journal"
CLOCK: Final = "clock"


def find(transaction: Transaction, name: str) -> str | None:
    """Return a mark; None if it was never set."""
    value: str | None = transaction.execute(
        select(marks.c.value).where(marks.c.name == name)
    ).scalar_one_or_none()
    return value


def save(transaction: Transaction, name: str, value: str) -> None:
    """Set a mark."""
    if not insert_or_ignore(transaction, marks, name=name, value=value):
        transaction.execute(update(marks).where(marks.c.name == name).values(value=value))


def database_time(transaction: Transaction) -> datetime | None:
    """Return what time the database's own machine has; None if that is ours."""
    if transaction.dialect.name == "sqlite":
        return None
    moment: datetime = transaction.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)


def enqueue_journal_entry(transaction: Transaction, address: RowKey, at: datetime) -> None:
    """Remember, together with the end of a grant, that the journal has yet to be told."""
    transaction.execute(insert(to_journal).values(home=address.partition, number=address.id, at=at))


def pending_journal_entries(transaction: Transaction, limit: int) -> list[tuple[RowKey, datetime]]:
    """Return ends that the journal has yet to be told."""
    rows = transaction.execute(select(to_journal).limit(limit))
    return [(RowKey(row.home, row.number), row.at) for row in rows]


def delete_journal_entry(transaction: Transaction, address: RowKey) -> None:
    """Forget that the journal had to be told: it was."""
    transaction.execute(
        delete(to_journal).where(
            to_journal.c.home == address.partition, to_journal.c.number == address.id
        )
    )


STILL_LIVE: Final = """
SELECT g.home, g.number FROM {asked}
JOIN grants g ON g.home = asked.home AND g.number = asked.number
WHERE g.wrapped_key IS NOT NULL
"""


def live_grants_among(transaction: Transaction, addresses: Sequence[RowKey]) -> list[RowKey]:
    """Return which of these grants still have their key."""
    found: list[RowKey] = []
    for begin in range(0, len(addresses), BATCH_SIZE):
        part = addresses[begin : begin + BATCH_SIZE]
        rows = RowSet(ROW_KEY_COLUMNS, part).run(transaction, STILL_LIVE)
        found += [RowKey(row.home, row.number) for row in rows]
    return found


BATCH_SIZE: Final = 5000
