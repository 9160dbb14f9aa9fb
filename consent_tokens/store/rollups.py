"""Rollups: what transactions counted is inserted, added to the counts of its day, and deleted.

A transaction inserts what it counts as rows of its own, so that no two wait for one row. Later one
worker at a time adds them: it deletes what it adds in the same transaction, so that nothing is
added twice or lost, whatever is interrupted.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from sqlalchemy import func, select

from consent_tokens.evidence.rollups import BY_REASON, Counted, CountedFor, Measure
from consent_tokens.row_key import RowKey
from consent_tokens.store import checkpoints
from consent_tokens.store.bulk import ROW_KEY_COLUMNS, RowSet, insert_rows
from consent_tokens.store.database import Transaction, add_to_rows
from consent_tokens.store.rollup_tables import daily_reasons, daily_rollups, rollup_increments

CHECKPOINT: Final = "rollups"  # locked by whoever adds to the counts
ALL_MERCHANTS: Final = ""  # the subject of the counts over all merchants
COLUMNS: Final = (
    "partition", "id", "counted_at", "day", "merchant_id", "sender_id", "template_id", "purpose",
    "measure", "reason", "count",
)  # fmt: skip
DELETE_TAKEN: Final = """
DELETE FROM rollup_increments WHERE (partition, id) IN (SELECT partition, id FROM {input})
"""

Counts: TypeAlias = Mapping[Counted, int]


class SubjectKind(IntEnum):
    """What the counts of a row of daily_rollups are of."""

    ALL = 0
    MERCHANT = 1
    SENDER = 2
    TEMPLATE = 3


class Subject(NamedTuple):
    """What the counts of a row are of."""

    id: str
    kind: SubjectKind


def insert(
    transaction: Transaction, counts: Counts, now: datetime, new_key: Callable[[], RowKey]
) -> None:
    """Insert what a transaction counted, with one statement."""
    seconds = int(now.timestamp())
    rows = [
        (*new_key(), seconds, each.day, *each.of, each.measure.value, each.reason, count)
        for each, count in counts.items()
    ]
    insert_rows(transaction, "rollup_increments", COLUMNS, rows)


def has_increments(transaction: Transaction) -> bool:
    """Whether there is something that is not added yet."""
    return transaction.execute(select(rollup_increments.c.id).limit(1)).first() is not None


def oldest_increment(transaction: Transaction) -> datetime | None:
    """Return when the oldest of what is not added yet was counted; None if all is added."""
    found: datetime | None = transaction.scalar(select(func.min(rollup_increments.c.counted_at)))
    return found


def lock(transaction: Transaction) -> None:
    """Let no other transaction add to the counts until this one ends."""
    checkpoints.save(transaction, CHECKPOINT, "")


def take(transaction: Transaction, limit: int) -> tuple[int, Counts]:
    """Delete up to `limit` rows of what was counted; return how many, and their sum.

    The caller has locked the counts. Citus takes the statements: no row is locked by SELECT.
    """
    table = rollup_increments
    rows = transaction.execute(select(*table.c, table.c.count.label("number")).limit(limit)).all()
    counts: Counter[Counted] = Counter()
    for row in rows:
        of = CountedFor(row.merchant_id, row.sender_id, row.template_id, row.purpose)
        counts[Counted(row.day, of, Measure(row.measure), row.reason)] += row.number
    RowSet(ROW_KEY_COLUMNS, [(row.partition, row.id) for row in rows]).run(
        transaction, DELETE_TAKEN
    )
    return len(rows), counts


def add(transaction: Transaction, counts: Counts) -> None:
    """Add to the counts of days, which the caller has locked."""
    add_to_rows(transaction, daily_rollups, [each.value for each in Measure], _measure_rows(counts))
    add_to_rows(transaction, daily_reasons, ["count"], _reason_rows(counts))


def subjects_of(of: CountedFor) -> Iterator[Subject]:
    """Return what something is counted for: all merchants, its merchant, sender and template."""
    yield Subject(ALL_MERCHANTS, SubjectKind.ALL)
    yield Subject(of.merchant_id, SubjectKind.MERCHANT)
    if of.sender_id:
        yield Subject(of.sender_id, SubjectKind.SENDER)
    if of.template_id:
        yield Subject(of.template_id, SubjectKind.TEMPLATE)


def _measure_rows(counts: Counts) -> list[dict[str, object]]:
    sums: dict[tuple[Subject, int, str], Counter[Measure]] = {}
    for each, count in counts.items():
        for subject in subjects_of(each.of):
            key = subject, each.day, each.of.purpose
            sums.setdefault(key, Counter())[each.measure] += count
    return [
        {
            "subject_id": subject.id, "day": day, "purpose": purpose, "kind": subject.kind.value,
            **{measure.value: of_key[measure] for measure in Measure},
        }
        for (subject, day, purpose), of_key in sorted(sums.items())
    ]  # fmt: skip


def _reason_rows(counts: Counts) -> list[dict[str, object]]:
    sums: Counter[tuple[str, int, str, str]] = Counter()
    for each, count in counts.items():
        if each.measure in BY_REASON:
            for subject in subjects_of(each.of):
                sums[subject.id, each.day, each.measure.value, each.reason] += count
    return [
        {"subject_id": subject_id, "day": day, "measure": measure, "reason": reason, "count": count}
        for (subject_id, day, measure, reason), count in sorted(sums.items())
    ]
