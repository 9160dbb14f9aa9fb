"""Queries on complaints."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Row, func, insert, select, type_coerce, update

from consent_tokens.evidence.as_marketing import Finding, Findings
from consent_tokens.evidence.class_disputes import ClassDispute
from consent_tokens.evidence.complaints import (
    OPEN_STATUSES,
    Complaint,
    ComplaintGroup,
    ComplaintReason,
    ComplaintStatus,
    Ground,
    Verdict,
)
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import complaints as table
from consent_tokens.store.tables import grants

SECONDS_PER_DAY: Final = 24 * 3600
CLASS_VERDICTS: Final = (Verdict.CLASS_DISPUTED, Verdict.WRONG_CLASS, Verdict.RIGHT_CLASS)


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
            template_id=complaint.template_id,
            sent_at=complaint.sent_at,
            reason=complaint.reason,
            verdict=complaint.verdict,
            status=complaint.status,
            statement=complaint.statement,
            picture=complaint.picture,
            as_marketing=_findings_text(complaint.as_marketing),
            filed_at=complaint.filed_at,
            changed_at=complaint.changed_at,
        )
    )


def find(transaction: Transaction, key: RowKey) -> Complaint | None:
    """Return a complaint by its key; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.partition == key.partition, table.c.id == key.id)
    ).one_or_none()
    return complaint_from_row(row) if row else None


def find_by_case_number(transaction: Transaction, case_number_hash: bytes) -> Complaint | None:
    """Return the complaint whose case number has this keyed hash; None if there is none."""
    row = transaction.execute(
        select(table).where(table.c.case_number_hash == case_number_hash)
    ).one_or_none()
    return complaint_from_row(row) if row else None


def find_by_message(transaction: Transaction, message: RowKey) -> Complaint | None:
    """Return the complaint about a message; None if there is none. A message has at most one."""
    row = transaction.execute(
        select(table).where(
            table.c.partition == message.partition, table.c.message_id == message.id
        )
    ).first()
    return complaint_from_row(row) if row else None


def of_recipient(transaction: Transaction, partition: int) -> list[Complaint]:
    """Return a recipient's complaints, newest first."""
    rows = transaction.execute(
        select(table)
        .where(table.c.partition == partition)
        .order_by(table.c.filed_at.desc(), table.c.id)
    )
    return [complaint_from_row(row) for row in rows]


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
    return [complaint_from_row(row) for row in rows]


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


def disputes_of_merchant(
    transaction: Transaction, merchant_id: str, since: datetime
) -> list[ClassDispute]:
    """Return who denied since a time that a merchant's texts of templates are transactional."""
    rows = transaction.execute(
        select(
            table.c.partition,
            table.c.template_id,
            table.c.filed_at,
            table.c.sent_at,
            grants.c.granted_at,
            table.c.verdict,
            table.c.status,
        )
        .join(grants, (grants.c.partition == table.c.partition) & (grants.c.id == table.c.grant_id))
        .where(table.c.merchant_id == merchant_id, table.c.filed_at >= since)
        .where(table.c.template_id.is_not(None), table.c.verdict.in_(CLASS_VERDICTS))
    )
    return [
        ClassDispute(
            partition=row.partition,
            template_id=row.template_id,
            filed_at=row.filed_at,
            sent_at=row.sent_at,
            granted_at=row.granted_at,
            is_waiting=row.verdict == Verdict.CLASS_DISPUTED
            and row.status == ComplaintStatus.RECEIVED,
        )
        for row in rows
    ]


def open_disputes(transaction: Transaction, template_id: str) -> list[Complaint]:
    """Return the undecided complaints about the class of a template's texts, by row key."""
    rows = transaction.execute(
        select(table)
        .where(table.c.template_id == template_id, table.c.verdict == Verdict.CLASS_DISPUTED)
        .where(table.c.status.in_(OPEN_STATUSES))
        .order_by(table.c.partition, table.c.id)
    )
    return [complaint_from_row(row) for row in rows]


def is_decided_advert(transaction: Transaction, template_id: str) -> bool:
    """Whether it was decided that texts of a template are adverts."""
    row = transaction.execute(
        select(table.c.id)
        .where(table.c.template_id == template_id, table.c.verdict == Verdict.WRONG_CLASS)
        .limit(1)
    ).first()
    return row is not None


def is_in_review(transaction: Transaction, template_id: str) -> bool:
    """Whether a template is reviewed because its texts were reported as adverts."""
    row = transaction.execute(
        select(table.c.id)
        .where(table.c.template_id == template_id, table.c.verdict == Verdict.CLASS_DISPUTED)
        .where(table.c.status == ComplaintStatus.IN_REVIEW)
        .limit(1)
    ).first()
    return row is not None


def start_review(transaction: Transaction, template_id: str, at: datetime) -> None:
    """Put the waiting complaints about the class of a template's texts in review."""
    transaction.execute(
        update(table)
        .where(table.c.template_id == template_id, table.c.verdict == Verdict.CLASS_DISPUTED)
        .where(table.c.status == ComplaintStatus.RECEIVED)
        .values(status=ComplaintStatus.IN_REVIEW, changed_at=at)
    )


def count_disputes_by_template(transaction: Transaction, limit: int) -> list[tuple[str, str, int]]:
    """Return (template id, status, count) of the undecided complaints about the class of texts.

    Templates in review come first.
    """
    rows = transaction.execute(
        select(table.c.template_id, table.c.status, func.count())
        .where(table.c.template_id.is_not(None), table.c.verdict == Verdict.CLASS_DISPUTED)
        .where(table.c.status.in_(OPEN_STATUSES))
        .group_by(table.c.template_id, table.c.status)
        .order_by(table.c.status, table.c.template_id)
        .limit(limit)
    )
    return [(template_id, status, count) for template_id, status, count in rows]


def decide_class(transaction: Transaction, complaint: Complaint) -> None:
    """Save the verdict, findings and status of a complaint about the class of a text."""
    transaction.execute(
        update(table)
        .where(table.c.partition == complaint.key.partition, table.c.id == complaint.key.id)
        .values(
            verdict=complaint.verdict,
            status=complaint.status,
            as_marketing=_findings_text(complaint.as_marketing),
            changed_at=complaint.changed_at,
        )
    )


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


def add_answers(
    transaction: Transaction,
    key: RowKey,
    *,
    has_ordered: bool | None,
    shown_text: bytes | None,
) -> None:
    """Save what the consumer says of a disputed text, the text sealed. None leaves what is stored.

    At least one is given.
    """
    values: dict[str, Any] = {}
    if has_ordered is not None:
        values["has_ordered"] = int(has_ordered)
    if shown_text is not None:
        values["shown_text"] = shown_text
    transaction.execute(
        update(table)
        .where(table.c.partition == key.partition, table.c.id == key.id)
        .values(**values)
    )


def delete_statements(transaction: Transaction, partition: int) -> None:
    """Delete what a recipient added to complaints; the complaints themselves stay."""
    transaction.execute(
        update(table)
        .where(table.c.partition == partition)
        .values(statement=None, picture=None, has_ordered=None, shown_text=None)
    )


def _findings_text(found: Findings | None) -> str | None:
    return None if found is None else " ".join(found)


def _findings(text: str) -> Findings:
    return tuple(Finding(each) for each in text.split())


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


def complaint_from_row(row: Row[Any]) -> Complaint:
    """Return the complaint in a row of SQLAlchemy."""
    return Complaint(
        key=RowKey(row.partition, row.id),
        case_number_hash=row.case_number_hash,
        merchant_id=row.merchant_id,
        grant_id=row.grant_id,
        message_id=row.message_id,
        purpose=row.purpose,
        template_id=row.template_id,
        sent_at=row.sent_at,
        reason=ComplaintReason(row.reason),
        verdict=Verdict(row.verdict),
        status=ComplaintStatus(row.status),
        statement=row.statement,
        picture=row.picture,
        as_marketing=None if row.as_marketing is None else _findings(row.as_marketing),
        has_ordered=None if row.has_ordered is None else bool(row.has_ordered),
        shown_text=row.shown_text,
        owner_id=row.owner_id,
        ground=None if row.ground is None else Ground(row.ground),
        remark=row.remark,
        filed_at=row.filed_at,
        changed_at=row.changed_at,
    )
