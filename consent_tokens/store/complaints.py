"""Queries on complaints."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Row, func, insert, select, type_coerce, update

from consent_tokens.evidence.complaints import (
    Complaint,
    ComplaintGroup,
    ComplaintReason,
    ComplaintStatus,
    Verdict,
)
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import complaints as table

SECONDS_PER_DAY: Final = 24 * 3600


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


def groups(
    transaction: Transaction,
    *,
    since: datetime,
    until: datetime,
    merchant_id: str | None = None,
    limit: int | None = None,
) -> list[ComplaintGroup]:
    """Count complaints by merchant, day, purpose and reason, ordered by these.

    `since` is included and `until` is not; both are starts of days of UTC.
    """
    day = type_coerce(table.c.filed_at, BigInteger) // SECONDS_PER_DAY
    members: Sequence[ColumnElement[Any]] = (
        table.c.merchant_id, day, func.coalesce(table.c.purpose, ""), table.c.reason
    )  # fmt: skip
    query = (
        select(*members, func.count())
        .where(table.c.merchant_id.is_not(None), table.c.filed_at >= since)
        .where(table.c.filed_at < until)
        .group_by(*members)
        .order_by(*members)
        .limit(limit)
    )
    if merchant_id is not None:
        query = query.where(table.c.merchant_id == merchant_id)
    found = [tuple(row) for row in transaction.execute(query)]
    by_day = groupby(found, key=lambda row: (row[0], row[1]))
    return [_group(row, place) for _, rows in by_day for place, row in enumerate(rows)]


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


def _group(row: tuple[Any, ...], place: int) -> ComplaintGroup:
    merchant_id, days, purpose, reason, count = row
    return ComplaintGroup(
        merchant_id=merchant_id,
        day=datetime.fromtimestamp(days * SECONDS_PER_DAY, UTC).date(),
        purpose=purpose or None,
        reason=ComplaintReason(reason),
        count=count,
        place=place,
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
