"""Questions about receipts: signed once, kept as they were signed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select

from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import receipts as table


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One receipt, at an address of its own in the home of the recipient."""

    key: RowKey
    kind: str
    grant_id: int
    issued_at: datetime
    jws: str


def add(transaction: Transaction, receipt: Receipt) -> None:
    """Keep a receipt."""
    transaction.execute(
        insert(table).values(
            home=receipt.key.partition,
            number=receipt.key.id,
            kind=receipt.kind,
            grant_number=receipt.grant_id,
            at=receipt.issued_at,
            jws=receipt.jws,
        )
    )


def find(transaction: Transaction, address: RowKey) -> Receipt | None:
    """Return the receipt at an address; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.home == address.partition, table.c.number == address.id)
    ).one_or_none()
    return _receipt(row) if row else None


def of_recipient(transaction: Transaction, home: int) -> list[Receipt]:
    """Return all receipts of a recipient, the newest first."""
    rows = transaction.execute(
        select(table).where(table.c.home == home).order_by(table.c.at.desc(), table.c.number)
    )
    return [_receipt(row) for row in rows]


def delete_of_recipient(transaction: Transaction, home: int) -> None:
    """Forget a recipient's receipts: the copies that the consumer kept stay true."""
    transaction.execute(delete(table).where(table.c.home == home))


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(
        key=RowKey(row.home, row.number),
        kind=row.kind,
        grant_id=row.grant_number,
        issued_at=row.at,
        jws=row.jws,
    )
