"""Queries on senders that merchants applied for, which are no senders until they are admitted."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, insert, select, update

from consent_tokens.store.admission_tables import sender_applications as table
from consent_tokens.store.database import Transaction
from consent_tokens.store.senders import Sender, columns_of, members_of


class SenderApplicationStatus(StrEnum):
    """The status of an application for a sender."""

    SUBMITTED = "submitted"
    ADMITTED = "admitted"  # there is a sender of the same id
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderApplication:
    """A sender as a merchant asks for it, which is none until it is admitted."""

    sender: Sender  # `admitted_at` is when it was applied for
    source: str  # of the signature
    evidence: str | None
    status: SenderApplicationStatus
    decided_at: datetime | None = None
    reason: str | None = None  # of a refusal


def add(transaction: Transaction, application: SenderApplication) -> None:
    """Insert an application for a sender."""
    transaction.execute(
        insert(table).values(
            **columns_of(application.sender),
            source=application.source,
            evidence=application.evidence,
            status=application.status,
            submitted_at=application.sender.admitted_at,
        )
    )


def decide(
    transaction: Transaction,
    application_id: str,
    status: SenderApplicationStatus,
    at: datetime,
    reason: str | None = None,
) -> bool:
    """Save a decision; return whether there was an application that nobody had decided."""
    result = transaction.execute(
        update(table)
        .where(table.c.id == application_id, table.c.status == SenderApplicationStatus.SUBMITTED)
        .values(status=status, decided_at=at, reason=reason)
    )
    return result.rowcount == 1


def reopen(transaction: Transaction, application_id: str, at: datetime) -> bool:
    """Have a refused application be decided again; return whether it was refused."""
    result = transaction.execute(
        update(table)
        .where(table.c.id == application_id, table.c.status == SenderApplicationStatus.REFUSED)
        .values(
            status=SenderApplicationStatus.SUBMITTED, submitted_at=at, decided_at=None, reason=None
        )
    )
    return result.rowcount == 1


def find(transaction: Transaction, application_id: str) -> SenderApplication | None:
    """Return an application for a sender; None if there is none."""
    row = transaction.execute(select(table).where(table.c.id == application_id)).one_or_none()
    return _application(row) if row else None


def of_merchant(transaction: Transaction, merchant_id: str) -> list[SenderApplication]:
    """Return what a merchant applied for, oldest first."""
    rows = transaction.execute(
        select(table)
        .where(table.c.merchant_id == merchant_id)
        .order_by(table.c.submitted_at, table.c.id)
    )
    return [_application(row) for row in rows]


def list_submitted(transaction: Transaction) -> list[SenderApplication]:
    """Return the applications that nobody decided yet, oldest first."""
    rows = transaction.execute(
        select(table)
        .where(table.c.status == SenderApplicationStatus.SUBMITTED)
        .order_by(table.c.submitted_at, table.c.id)
    )
    return [_application(row) for row in rows]


def _application(row: Row[Any]) -> SenderApplication:
    return SenderApplication(
        sender=Sender(**members_of(row), admitted_at=row.submitted_at),
        source=row.source,
        evidence=row.evidence,
        status=SenderApplicationStatus(row.status),
        decided_at=row.decided_at,
        reason=row.reason,
    )
