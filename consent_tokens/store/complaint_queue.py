"""Queries on complaints for those who decide on them: the queue, its owners, what was decided."""

from collections.abc import Collection

from sqlalchemy import func, select, update

from consent_tokens.evidence.complaints import Complaint, ComplaintStatus, Ground, Verdict
from consent_tokens.row_key import RowKey
from consent_tokens.store.complaints import complaint_from_row
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import IS_UNDECIDED
from consent_tokens.store.tables import complaints as table


def list_undecided(transaction: Transaction, limit: int) -> list[Complaint]:
    """Return up to `limit` undecided complaints, those first that are due first."""
    rows = transaction.execute(
        select(table).where(IS_UNDECIDED).order_by(table.c.filed_at, table.c.id).limit(limit)
    )
    return [complaint_from_row(row) for row in rows]


def list_latest_changed(transaction: Transaction, limit: int) -> list[Complaint]:
    """Return up to `limit` complaints, those first that changed last."""
    rows = transaction.execute(
        select(table).order_by(table.c.changed_at.desc(), table.c.id).limit(limit)
    )
    return [complaint_from_row(row) for row in rows]


def set_owner(
    transaction: Transaction,
    keys: Collection[RowKey],
    owner_id: str | None,
    status: ComplaintStatus | None = None,
) -> None:
    """Save who decides on complaints, and their status; None leaves the status."""
    values = {"owner_id": owner_id} | ({} if status is None else {"status": status})
    for key in keys:
        transaction.execute(
            update(table)
            .where(table.c.partition == key.partition, table.c.id == key.id)
            .values(**values)
        )


def set_ground(
    transaction: Transaction, keys: Collection[RowKey], ground: Ground, remark: str
) -> None:
    """Save why complaints were decided as they were."""
    for key in keys:
        transaction.execute(
            update(table)
            .where(table.c.partition == key.partition, table.c.id == key.id)
            .values(ground=ground, remark=remark)
        )


def count_verdicts_of_template(transaction: Transaction, template_id: str) -> dict[Verdict, int]:
    """Return how many complaints about the texts of a template have each verdict."""
    rows = transaction.execute(
        select(table.c.verdict, func.count())
        .where(table.c.template_id == template_id)
        .group_by(table.c.verdict)
    )
    return {Verdict(verdict): count for verdict, count in rows}


def lock(transaction: Transaction, key: RowKey) -> None:
    """Lock a complaint until the transaction ends."""
    transaction.execute(
        update(table)
        .where(table.c.partition == key.partition, table.c.id == key.id)
        .values(reason=table.c.reason)
    )
