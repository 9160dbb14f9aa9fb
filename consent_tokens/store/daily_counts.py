"""Queries on how many messages of a class a merchant had accepted today; only of limited ones."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TypeAlias

from sqlalchemy import select, update

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.store.admission_tables import daily_counts as table
from consent_tokens.store.database import Transaction, insert_or_ignore

Key: TypeAlias = tuple[str, PurposeClass]  # merchant id, class


def lock(transaction: Transaction, keys: Iterable[Key], day: date) -> dict[Key, int]:
    """Return how many were accepted on a day, locked until the transaction ends.

    A row has the count of one day only: of another day it counts as none. Rows are locked in the
    order of their keys.
    """
    return {key: _lock_one(transaction, key, day) for key in sorted(keys)}


def _lock_one(transaction: Transaction, key: Key, day: date) -> int:
    merchant_id, purpose_class = key
    query = (
        select(table)
        .where(table.c.merchant_id == merchant_id, table.c["class"] == purpose_class)
        .with_for_update()
    )
    row = transaction.execute(query).one_or_none()
    if row is None:
        values = {"merchant_id": merchant_id, "class": purpose_class.value}
        insert_or_ignore(transaction, table, **values, day=day.toordinal(), accepted=0)
        row = transaction.execute(query).one()
    return int(row.accepted) if row.day == day.toordinal() else 0


def save(transaction: Transaction, counts: Mapping[Key, int], day: date) -> None:
    """Save counts that are locked."""
    for (merchant_id, purpose_class), accepted in counts.items():
        transaction.execute(
            update(table)
            .where(table.c.merchant_id == merchant_id, table.c["class"] == purpose_class)
            .values(day=day.toordinal(), accepted=accepted)
        )
