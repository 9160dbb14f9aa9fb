"""Queries on complaints."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from consent_tokens.evidence.complaints import (
    Complaint,
    ComplaintReason,
    ComplaintStatus,
    Verdict,
)
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import complaints as table


def add(transaction: Transaction, complaint: Complaint) -> None:
    """Insert a complaint."""
    transaction.execute(
        insert(table).values(
            partition=complaint.key.partition,
            id=complaint.key.id,
            case_number_hash=complaint.case_number_hash,
            merchant_id=complaint.merchant_id,
            grant_id=complaint.grant_id,
            message_id=complaint.message_id,
            purpose=complaint.purpose,
            sent_at=complaint.sent_at,
            reason=complaint.reason,
            verdict=complaint.verdict,
            status=complaint.status,
            statement=complaint.statement,
            picture=complaint.picture,
            filed_at=complaint.filed_at,
            changed_at=complaint.changed_at,
        )
    )


def find(transaction: Transaction, key: RowKey) -> Complaint | None:
    """Return a complaint by its key; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.partition == key.partition, table.c.id == key.id)
    ).one_or_none()
    return _complaint(row) if row else None


def find_by_case_number(transaction: Transaction, case_number_hash: bytes) -> Complaint | None:
    """Return the complaint whose case number has this keyed hash; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.case_number_hash == case_number_hash)
    ).one_or_none()
    return _complaint(row) if row else None


def find_by_message(transaction: Transaction, message: RowKey) -> Complaint | None:
    """Return the complaint about a message; None if there is none. A message has at most one."""
    row = transaction.execute(
        select(table).where(
            table.c.partition == message.partition, table.c.message_id == message.id
        )
    ).first()
    return _complaint(row) if row else None


def of_recipient(transaction: Transaction, partition: int) -> list[Complaint]:
    """Return a recipient's complaints, newest first."""
    rows = transaction.execute(
        select(table)
        .where(table.c.partition == partition)
        .order_by(table.c.filed_at.desc(), table.c.id)
    )
    return [_complaint(row) for row in rows]


def of_merchant(
    transaction: Transaction, merchant_id: str, *, after: tuple[datetime, int] | None, limit: int
) -> list[Complaint]:
    """Return the complaints about a merchant, oldest first.

    `after` is (filed_at, id) of the last complaint of the previous page.
    """
    query = select(table).where(table.c.merchant_id == merchant_id)
    if after is not None:
        filed_at, complaint_id = after
        query = query.where(
            (table.c.filed_at > filed_at)
            | ((table.c.filed_at == filed_at) & (table.c.id > complaint_id))
        )
    query = query.order_by(table.c.filed_at, table.c.id).limit(limit)
    return [_complaint(row) for row in transaction.execute(query)]


def latest(transaction: Transaction, limit: int) -> list[Complaint]:
    """Return up to `limit` complaints, newest first."""
    query = select(table).order_by(table.c.filed_at.desc(), table.c.id).limit(limit)
    rows = transaction.execute(query)
    return [_complaint(row) for row in rows]


def set_status(
    transaction: Transaction, key: RowKey, status: ComplaintStatus, at: datetime
) -> bool:
    """Set the status of a complaint; return whether it exists."""
    result = transaction.execute(
        update(table)
        .where(table.c.partition == key.partition, table.c.id == key.id)
        .values(status=status, changed_at=at)
    )
    return result.rowcount == 1


def add_statement(
    transaction: Transaction, key: RowKey, *, statement: bytes | None, picture: bytes | None
) -> None:
    """Save the consumer's statement and picture, both sealed. None leaves what is stored."""
    values = {
        name: value
        for name, value in (("statement", statement), ("picture", picture))
        if value is not None
    }
    if values:
        transaction.execute(
            update(table)
            .where(table.c.partition == key.partition, table.c.id == key.id)
            .values(**values)
        )


def delete_statements(transaction: Transaction, partition: int) -> None:
    """Delete the statements and pictures of a recipient; the complaints themselves stay."""
    transaction.execute(
        update(table).where(table.c.partition == partition).values(statement=None, picture=None)
    )


def _complaint(row: Row[Any]) -> Complaint:
    return Complaint(
        key=RowKey(row.partition, row.id),
        case_number_hash=row.case_number_hash,
        merchant_id=row.merchant_id,
        grant_id=row.grant_id,
        message_id=row.message_id,
        purpose=row.purpose,
        sent_at=row.sent_at,
        reason=ComplaintReason(row.reason),
        verdict=Verdict(row.verdict),
        status=ComplaintStatus(row.status),
        statement=row.statement,
        picture=row.picture,
        filed_at=row.filed_at,
        changed_at=row.changed_at,
    )
