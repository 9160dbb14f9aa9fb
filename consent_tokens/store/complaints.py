"""Questions about complaints."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.evidence.complaints import ComplaintReason, ComplaintStatus, Verdict
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import complaints as table


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One complaint. What the consumer wrote lies enclosed: it may hold anything."""

    key: RowKey  # in the recipient's home where there is a message, else in one of its own
    case_number_hash: bytes  # keyed hash of the number by which it is followed
    merchant_id: str | None
    grant_id: int | None = None
    message_id: int | None = None
    purpose: str | None = None
    sent_at: datetime | None = None
    reason: ComplaintReason
    verdict: Verdict
    status: ComplaintStatus
    statement: bytes | None = None
    picture: bytes | None = None
    filed_at: datetime
    changed_at: datetime


def add(transaction: Transaction, complaint: Complaint) -> None:
    """Keep a complaint."""
    transaction.execute(
        insert(table).values(
            home=complaint.key.partition,
            number=complaint.key.id,
            follow=complaint.case_number_hash,
            merchant_id=complaint.merchant_id,
            grant_number=complaint.grant_id,
            message_number=complaint.message_id,
            purpose=complaint.purpose,
            sent_at=complaint.sent_at,
            reason=complaint.reason,
            verdict=complaint.verdict,
            state=complaint.status,
            said=complaint.statement,
            picture=complaint.picture,
            at=complaint.filed_at,
            changed_at=complaint.changed_at,
        )
    )


def find(transaction: Transaction, address: RowKey) -> Complaint | None:
    """Return the complaint at an address; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.home == address.partition, table.c.number == address.id)
    ).one_or_none()
    return _complaint(row) if row else None


def find_by_case_number(transaction: Transaction, follow: bytes) -> Complaint | None:
    """Return the complaint that is followed by this number; None if there is none."""
    row = transaction.execute(select(table).where(table.c.follow == follow)).one_or_none()
    return _complaint(row) if row else None


def find_by_message(transaction: Transaction, message: RowKey) -> Complaint | None:
    """Return the complaint about a message; None if nobody complained: one message, one count."""
    row = transaction.execute(
        select(table).where(table.c.home == message.partition, table.c.message_number == message.id)
    ).first()
    return _complaint(row) if row else None


def of_recipient(transaction: Transaction, home: int) -> list[Complaint]:
    """Return a recipient's complaints, the newest first."""
    rows = transaction.execute(
        select(table).where(table.c.home == home).order_by(table.c.at.desc(), table.c.number)
    )
    return [_complaint(row) for row in rows]


def of_merchant(
    transaction: Transaction, merchant_id: str, *, after: tuple[datetime, int] | None, limit: int
) -> list[Complaint]:
    """Return the complaints about a merchant, the oldest first."""
    query = select(table).where(table.c.merchant_id == merchant_id)
    if after is not None:
        at, number = after
        query = query.where((table.c.at > at) | ((table.c.at == at) & (table.c.number > number)))
    query = query.order_by(table.c.at, table.c.number).limit(limit)
    return [_complaint(row) for row in transaction.execute(query)]


def latest(transaction: Transaction, limit: int) -> list[Complaint]:
    """Return complaints, the newest first."""
    query = select(table).order_by(table.c.at.desc(), table.c.number).limit(limit)
    rows = transaction.execute(query)
    return [_complaint(row) for row in rows]


def set_status(
    transaction: Transaction, address: RowKey, state: ComplaintStatus, at: datetime
) -> bool:
    """Record where a complaint stands; whether there is one."""
    result = transaction.execute(
        update(table)
        .where(table.c.home == address.partition, table.c.number == address.id)
        .values(state=state, changed_at=at)
    )
    return result.rowcount == 1


def add_statement(
    transaction: Transaction, address: RowKey, *, said: bytes | None, picture: bytes | None
) -> None:
    """Add what the consumer has to say, where something is said."""
    values = {
        name: value for name, value in (("said", said), ("picture", picture)) if value is not None
    }
    if values:
        transaction.execute(
            update(table)
            .where(table.c.home == address.partition, table.c.number == address.id)
            .values(**values)
        )


def delete_statements(transaction: Transaction, home: int) -> None:
    """Forget what a recipient wrote and showed; that there was a complaint stays."""
    transaction.execute(update(table).where(table.c.home == home).values(said=None, picture=None))


def delete_before(transaction: Transaction, before: datetime) -> None:
    """Forget complaints that have not changed since `before`."""
    transaction.execute(delete(table).where(table.c.changed_at < before))


def _complaint(row: Row[Any]) -> Complaint:
    return Complaint(
        key=RowKey(row.home, row.number),
        case_number_hash=row.follow,
        merchant_id=row.merchant_id,
        grant_id=row.grant_number,
        message_id=row.message_number,
        purpose=row.purpose,
        sent_at=row.sent_at,
        reason=ComplaintReason(row.reason),
        verdict=Verdict(row.verdict),
        status=ComplaintStatus(row.state),
        statement=row.said,
        picture=row.picture,
        filed_at=row.at,
        changed_at=row.changed_at,
    )
