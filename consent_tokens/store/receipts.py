"""Queries on receipts, which are stored as they were signed."""

from typing import Any

from sqlalchemy import Row, delete, insert, select

from consent_tokens.evidence.receipts import Receipt
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import receipts as table


def add(transaction: Transaction, receipt: Receipt) -> None:
    """Insert a receipt."""
    transaction.execute(
        insert(table).values(
            partition=receipt.key.partition,
            id=receipt.key.id,
            kind=receipt.kind,
            grant_id=receipt.grant_id,
            issued_at=receipt.issued_at,
            jws=receipt.jws,
        )
    )


def find(transaction: Transaction, key: RowKey) -> Receipt | None:
    """Return a receipt by its key; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.partition == key.partition, table.c.id == key.id)
    ).one_or_none()
    return _receipt(row) if row else None


def of_grant(transaction: Transaction, grant: RowKey) -> list[Receipt]:
    """Return the receipts of one grant, the newest first."""
    rows = transaction.execute(
        select(table)
        .where(table.c.partition == grant.partition, table.c.grant_id == grant.id)
        .order_by(table.c.issued_at.desc(), table.c.id)
    )
    return [_receipt(row) for row in rows]


def of_recipient(transaction: Transaction, partition: int) -> list[Receipt]:
    """Return all receipts of a recipient, newest first."""
    rows = transaction.execute(
        select(table)
        .where(table.c.partition == partition)
        .order_by(table.c.issued_at.desc(), table.c.id)
    )
    return [_receipt(row) for row in rows]


def delete_of_recipient(transaction: Transaction, partition: int) -> None:
    """Delete a recipient's receipts; copies that the consumer saved still verify."""
    transaction.execute(delete(table).where(table.c.partition == partition))


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(
        key=RowKey(row.partition, row.id),
        kind=row.kind,
        grant_id=row.grant_id,
        issued_at=row.issued_at,
        jws=row.jws,
    )
