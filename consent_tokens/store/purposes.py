"""Queries on the purposes that were ever in use, with what tokens and texts say of them."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from consent_tokens.consent.purpose_catalogue import PurposeDefinition
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import purposes


def known(transaction: Transaction) -> list[tuple[str, int, str]]:
    """Return id, keyword number and class of each purpose, as it was first seen."""
    rows = transaction.execute(
        select(purposes.c.id, purposes.c.number, purposes.c["class"]).order_by(purposes.c.number)
    )
    return [tuple(row) for row in rows]


def remember(
    transaction: Transaction, definitions: Iterable[PurposeDefinition], now: datetime
) -> None:
    """Insert purposes that are new; what is there already stays as it is."""
    for each in definitions:
        insert_or_ignore(
            transaction,
            purposes,
            id=each.id,
            number=each.number,
            **{"class": each.purpose_class.value},
            first_seen_at=now,
        )
