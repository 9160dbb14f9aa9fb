"""Questions about receipts: signed once, kept as they were signed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select

from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import receipts as table


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One receipt, at an address of its own in the home of the recipient."""

    address: Address
    kind: str
    grant_number: int
    at: datetime
    jws: str


def add(transaction: Transaction, receipt: Receipt) -> None:
    """Keep a receipt."""
    transaction.execute(
        insert(table).values(
            home=receipt.address.home,
            number=receipt.address.number,
            kind=receipt.kind,
            grant_number=receipt.grant_number,
            at=receipt.at,
            jws=receipt.jws,
        )
    )


def find(transaction: Transaction, address: Address) -> Receipt | None:
    """Return the receipt at an address; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.home == address.home, table.c.number == address.number)
    ).one_or_none()
    return _receipt(row) if row else None


def in_home(transaction: Transaction, home: int) -> list[Receipt]:
    """Return all receipts of a recipient, the newest first."""
    rows = transaction.execute(
        select(table).where(table.c.home == home).order_by(table.c.at.desc(), table.c.number)
    )
    return [_receipt(row) for row in rows]


def forget_all(transaction: Transaction, home: int) -> None:
    """Forget a recipient's receipts: the copies that the consumer kept stay true."""
    transaction.execute(delete(table).where(table.c.home == home))


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(
        address=Address(row.home, row.number),
        kind=row.kind,
        grant_number=row.grant_number,
        at=row.at,
        jws=row.jws,
    )
