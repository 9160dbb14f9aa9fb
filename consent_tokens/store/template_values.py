"""Queries on how often each value of a template's variables was sent. No value is stored.

A message keeps the keyed hashes of its values until they are counted: the transaction that counts
them deletes them from the message, so that each text is counted once, whatever is interrupted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, select, tuple_, update

from consent_tokens.store import checkpoints
from consent_tokens.store.admission_tables import template_value_counts as table
from consent_tokens.store.database import Transaction, add_to_rows
from consent_tokens.store.tables import HAS_VALUES, messages

TEXTS: Final = ("", 0)  # variable and hash of the row that counts the texts of a template
CHECKPOINT: Final = "template_values"


@dataclass(frozen=True, slots=True)
class UncountedText:
    """A text of a template whose values are not counted yet."""

    template_id: str
    version: int
    value_hashes: bytes


class CountedValue(NamedTuple):
    """A value of a variable of a template; `TEXTS` stands for all its texts."""

    template_id: str
    variable: str
    value_hash: int


@dataclass(frozen=True, slots=True)
class Repetition:
    """A value that is in many of the texts of a template."""

    template_id: str
    variable: str
    repeated: int  # texts with the value
    texts: int  # of the template


def has_uncounted(transaction: Transaction) -> bool:
    """Whether there is a text that is not counted yet."""
    return transaction.execute(select(messages.c.id).where(HAS_VALUES).limit(1)).first() is not None


def take_uncounted(transaction: Transaction, limit: int) -> list[UncountedText]:
    """Return up to `limit` texts that are not counted, and delete their hashes.

    One transaction at a time does so. Citus takes the statements: no row is locked by SELECT.
    """
    checkpoints.save(transaction, CHECKPOINT, "")
    rows = transaction.execute(
        select(
            messages.c.partition,
            messages.c.id,
            messages.c.template_id,
            messages.c.template_version,
            messages.c.value_hashes,
        )
        .where(HAS_VALUES)
        .order_by(messages.c.accepted_at)
        .limit(limit)
    ).all()
    if rows:
        keys = [(row.partition, row.id) for row in rows]
        transaction.execute(
            update(messages)
            .where(tuple_(messages.c.partition, messages.c.id).in_(keys))
            .values(value_hashes=None)
        )
    return [
        UncountedText(row.template_id, row.template_version, bytes(row.value_hashes))
        for row in rows
    ]


def add_counts(transaction: Transaction, counts: Mapping[CountedValue, int], now: datetime) -> None:
    """Add to the numbers of texts by value."""
    rows = [
        {**value._asdict(), "texts": count, "counted_at": now}
        for value, count in sorted(counts.items())
    ]
    add_to_rows(transaction, table, ["texts"], rows, counted_at=now)


def repetitions(
    transaction: Transaction, template_ids: Sequence[str], *, min_texts: int, share: int
) -> list[Repetition]:
    """Return the values of these templates that are in more than one in `share` of their texts.

    A template with fewer than `min_texts` has none, nor has a value that a reviewer has accepted.
    """
    rows = transaction.execute(
        _repeated(min_texts, share).where(table.c.template_id.in_(template_ids))
    )
    return [Repetition(row.template_id, row.variable, row.repeated, row.texts) for row in rows]


def _repeated(min_texts: int, share: int) -> Any:  # noqa: ANN401 - a select of four columns
    total = table.alias("total")
    return (
        select(
            table.c.template_id,
            table.c.variable,
            table.c.value_hash,
            table.c.texts.label("repeated"),
            total.c.texts,
        )
        .join(total, and_(total.c.template_id == table.c.template_id, _is_total(total)))
        .where(
            table.c.variable != "",
            table.c.accepted_at.is_(None),
            total.c.texts >= min_texts,
            table.c.texts * share > total.c.texts,
        )
        .order_by(table.c.texts.desc())
    )


def _is_total(aliased: Any) -> ColumnElement[bool]:  # noqa: ANN401 - an alias of the table
    variable, value_hash = TEXTS
    return and_(aliased.c.variable == variable, aliased.c.value_hash == value_hash)


def accept_repeated(
    transaction: Transaction, template_id: str, now: datetime, *, min_texts: int, share: int
) -> None:
    """Accept the values of a template that are repeated: they do not hold it again."""
    found = transaction.execute(
        _repeated(min_texts, share).where(table.c.template_id == template_id)
    ).all()
    for row in found:
        transaction.execute(
            update(table)
            .where(
                table.c.template_id == template_id,
                table.c.variable == row.variable,
                table.c.value_hash == row.value_hash,
            )
            .values(accepted_at=now)
        )


def halve_counts(transaction: Transaction, template_ids: Sequence[str], max_texts: int) -> None:
    """Halve all counts of those templates that have more than `max_texts`.

    Old texts weigh less than new ones then, and values that were sent once are forgotten.
    """
    full = list(
        transaction.scalars(
            select(table.c.template_id).where(
                table.c.template_id.in_(template_ids), _is_total(table), table.c.texts > max_texts
            )
        )
    )
    if not full:
        return
    transaction.execute(
        update(table).where(table.c.template_id.in_(full)).values(texts=table.c.texts // 2)
    )
    transaction.execute(
        delete(table).where(
            table.c.template_id.in_(full), table.c.texts == 0, table.c.accepted_at.is_(None)
        )
    )


def count_of(transaction: Transaction, template_id: str) -> dict[str, int]:
    """Return how many texts of a template were counted, and by variable how many of one value."""
    rows = transaction.execute(
        select(table.c.variable, func.max(table.c.texts).label("most"))
        .where(table.c.template_id == template_id)
        .group_by(table.c.variable)
    )
    return {row.variable: row.most for row in rows}


def most_repeated(transaction: Transaction, template_id: str) -> tuple[int, list[Repetition]]:
    """Return how many texts of a template are counted, and each variable's most frequent value.

    Values that a reviewer has accepted are left out.
    """
    total = transaction.execute(
        select(table.c.texts).where(table.c.template_id == template_id, _is_total(table))
    ).scalar_one_or_none()
    rows = transaction.execute(
        select(table.c.variable, func.max(table.c.texts))
        .where(
            table.c.template_id == template_id,
            table.c.variable != "",
            table.c.accepted_at.is_(None),
        )
        .group_by(table.c.variable)
        .order_by(table.c.variable)
    )
    texts = int(total or 0)
    return texts, [Repetition(template_id, row[0], row[1], texts) for row in rows]
