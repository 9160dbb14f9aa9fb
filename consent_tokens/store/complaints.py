"""Questions about complaints."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

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
    """Keep a complaint."""
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
    """Return the complaint at an address; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.partition == key.partition, table.c.id == key.id)
    ).one_or_none()
    return _complaint(row) if row else None


def find_by_case_number(transaction: Transaction, follow: bytes) -> Complaint | None:
    """Return the complaint that is followed by this number; None if there is none."""
    row = transaction.execute(select(table).where(table.c.case_number_hash == follow)).one_or_none()
    return _complaint(row) if row else None


def find_by_message(transaction: Transaction, message: RowKey) -> Complaint | None:
    """Return the complaint about a message; None if nobody complained: one message, one count."""
    row = transaction.execute(
        select(table).where(
            table.c.partition == message.partition, table.c.message_id == message.id
        )
    ).first()
    return _complaint(row) if row else None


def of_recipient(transaction: Transaction, partition: int) -> list[Complaint]:
    """Return a recipient's complaints, the newest first."""
    rows = transaction.execute(
        select(table)
        .where(table.c.partition == partition)
        .order_by(table.c.filed_at.desc(), table.c.id)
    )
    return [_complaint(row) for row in rows]


def of_merchant(
    transaction: Transaction, merchant_id: str, *, after: tuple[datetime, int] | None, limit: int
) -> list[Complaint]:
    """Return the complaints about a merchant, the oldest first."""
    query = select(table).where(table.c.merchant_id == merchant_id)
    if after is not None:
        at, number = after
        query = query.where(
            (table.c.filed_at > at) | ((table.c.filed_at == at) & (table.c.id > number))
        )
    query = query.order_by(table.c.filed_at, table.c.id).limit(limit)
    return [_complaint(row) for row in transaction.execute(query)]


def latest(transaction: Transaction, limit: int) -> list[Complaint]:
    """Return complaints, the newest first."""
    query = select(table).order_by(table.c.filed_at.desc(), table.c.id).limit(limit)
    rows = transaction.execute(query)
    return [_complaint(row) for row in rows]


def set_status(
    transaction: Transaction, key: RowKey, status: ComplaintStatus, at: datetime
) -> bool:
    """Record where a complaint stands; whether there is one."""
    result = transaction.execute(
        update(table)
        .where(table.c.partition == key.partition, table.c.id == key.id)
        .values(status=status, changed_at=at)
    )
    return result.rowcount == 1


def add_statement(
    transaction: Transaction, key: RowKey, *, said: bytes | None, picture: bytes | None
) -> None:
    """Add what the consumer has to say, where something is said."""
    values = {
        name: value
        for name, value in (("statement", said), ("picture", picture))
        if value is not None
    }
    if values:
        transaction.execute(
            update(table)
            .where(table.c.partition == key.partition, table.c.id == key.id)
            .values(**values)
        )


def delete_statements(transaction: Transaction, partition: int) -> None:
    """Forget what a recipient wrote and showed; that there was a complaint stays."""
    transaction.execute(
        update(table).where(table.c.partition == partition).values(statement=None, picture=None)
    )


def delete_before(transaction: Transaction, before: datetime) -> None:
    """Forget complaints that have not changed since `before`."""
    transaction.execute(delete(table).where(table.c.changed_at < before))


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
