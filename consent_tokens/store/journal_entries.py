"""The revocation journal's outbox, and replayed entries that wait for their phone number."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from consent_tokens.row_key import RowKey
from consent_tokens.store.bulk import ROW_KEY_COLUMNS, RowSet
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import journal_entries as table
from consent_tokens.store.tables import waiting_entries as waiting

BATCH_SIZE: Final = 5000  # rows of input per statement


class StoredEntry(NamedTuple):
    """An entry as a line of text, and its random id."""

    id: int
    text: str


def add(transaction: Transaction, entry: StoredEntry) -> None:
    """Queue an entry for the journal, in the transaction that does what it says."""
    transaction.execute(insert(table).values(id=entry.id, entry=entry.text))


def pending(transaction: Transaction, limit: int) -> list[StoredEntry]:
    """Return up to `limit` entries that are not in the journal yet, in the order of their acts."""
    rows = transaction.execute(
        select(table.c.id, table.c.entry)
        .where(table.c.position.is_(None))
        .order_by(table.c.sequence)
        .limit(limit)
    )
    return [StoredEntry(row.id, row.entry) for row in rows]


def record_position(transaction: Transaction, ids: Collection[int], position: int) -> None:
    """Record that entries are in the journal, before the offset `position`."""
    transaction.execute(update(table).where(table.c.id.in_(ids)).values(position=position))


def delete_up_to(transaction: Transaction, position: int) -> None:
    """Delete the entries that stand in the journal before the offset `position`."""
    transaction.execute(delete(table).where(table.c.position <= position))


def delete_written(transaction: Transaction) -> None:
    """Delete the entries that any journal holds."""
    transaction.execute(delete(table).where(table.c.position.is_not(None)))


UNKNOWN_ENTRIES: Final = """
SELECT input.id AS id FROM {input}
LEFT JOIN journal_entries e ON e.id = input.id
WHERE e.id IS NULL
"""
LIVE_GRANTS: Final = """
SELECT g.partition, g.id FROM {input}
JOIN grants g ON g.partition = input.partition AND g.id = input.id
WHERE g.wrapped_key IS NOT NULL
"""


def unknown_among(transaction: Transaction, ids: Sequence[int]) -> set[int]:
    """Return the ids of those entries that this database has not stored."""
    found: set[int] = set()
    for begin in range(0, len(ids), BATCH_SIZE):
        batch = [(each,) for each in ids[begin : begin + BATCH_SIZE]]
        rows = RowSet({"id": "bigint"}, batch).run(transaction, UNKNOWN_ENTRIES)
        found |= {row.id for row in rows}
    return found


def live_grants_among(transaction: Transaction, keys: Sequence[RowKey]) -> list[RowKey]:
    """Return those of the grants whose key still exists."""
    found: list[RowKey] = []
    for begin in range(0, len(keys), BATCH_SIZE):
        batch = keys[begin : begin + BATCH_SIZE]
        rows = RowSet(ROW_KEY_COLUMNS, batch).run(transaction, LIVE_GRANTS)
        found += [RowKey(row.partition, row.id) for row in rows]
    return found


def add_waiting(
    transaction: Transaction, tag: str, entry: StoredEntry, until: datetime | None
) -> None:
    """Keep a replayed entry until the number of its tag comes back, or until `until`."""
    insert_or_ignore(transaction, waiting, tag=tag, id=entry.id, entry=entry.text, until=until)


def take_waiting(transaction: Transaction, tag: str) -> list[str]:
    """Delete and return the entries that wait for a tag."""
    rows = transaction.execute(
        delete(waiting).where(waiting.c.tag == tag).returning(waiting.c.entry)
    )
    return [row.entry for row in rows]


def is_waiting(transaction: Transaction, tag: str) -> bool:
    """Whether entries wait for a tag."""
    query = select(waiting.c.id).where(waiting.c.tag == tag).limit(1)
    return transaction.execute(query).first() is not None


def count_waiting(transaction: Transaction) -> int:
    """Return how many entries wait for their number."""
    count: int = transaction.scalars(select(func.count()).select_from(waiting)).one()
    return count


def waiting_tags(transaction: Transaction) -> set[str]:
    """Return the tags that entries wait for."""
    return set(transaction.scalars(select(waiting.c.tag).distinct()))
