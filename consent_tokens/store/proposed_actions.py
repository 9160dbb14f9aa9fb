"""Queries on proposed actions: one person proposes, another decides."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, insert, select, update

from consent_tokens.store.console_tables import proposed_actions as table
from consent_tokens.store.database import Transaction


class ProposalStatus(StrEnum):
    """What became of a proposal; one that nobody decides expires."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposed action; `details` is JSON with what it needs beside its subject."""

    id: str
    kind: str
    subject_id: str
    details: str
    reason: str
    status: ProposalStatus
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None

    @property
    def is_approved(self) -> bool:
        """Whether somebody else approved it."""
        return self.status is ProposalStatus.APPROVED

    def is_open_at(self, now: datetime) -> bool:
        """Whether it can still be decided."""
        return self.status is ProposalStatus.OPEN and now < self.expires_at


def add(transaction: Transaction, proposal: Proposal) -> None:
    """Insert a proposal."""
    transaction.execute(
        insert(table).values(
            id=proposal.id,
            kind=proposal.kind,
            subject_id=proposal.subject_id,
            details=proposal.details,
            reason=proposal.reason,
            status=proposal.status,
            proposed_by=proposal.proposed_by,
            proposed_at=proposal.proposed_at,
            expires_at=proposal.expires_at,
        )
    )


def find(transaction: Transaction, proposal_id: str) -> Proposal | None:
    """Return a proposal; None if there is none."""
    row = transaction.execute(select(table).where(table.c.id == proposal_id)).one_or_none()
    return _proposal(row) if row else None


def find_open(
    transaction: Transaction, kind: str, subject_id: str, now: datetime
) -> Proposal | None:
    """Return an open proposal of a kind about a subject; None if there is none."""
    row = transaction.execute(
        select(table)
        .where(
            table.c.kind == kind,
            table.c.subject_id == subject_id,
            table.c.status == ProposalStatus.OPEN,
            table.c.expires_at > now,
        )
        .limit(1)
    ).one_or_none()
    return _proposal(row) if row else None


def list_open(transaction: Transaction, now: datetime, limit: int) -> list[Proposal]:
    """Return the oldest open proposals that have not expired."""
    rows = transaction.execute(
        select(table)
        .where(table.c.status == ProposalStatus.OPEN, table.c.expires_at > now)
        .order_by(table.c.proposed_at, table.c.id)
        .limit(limit)
    )
    return [_proposal(row) for row in rows]


def list_approved(
    transaction: Transaction, kind: str, proposed_by: str, since: datetime
) -> list[Proposal]:
    """Return what an actor proposed and somebody approved from `since` on, the newest first."""
    rows = transaction.execute(
        select(table)
        .where(
            table.c.status == ProposalStatus.APPROVED,
            table.c.kind == kind,
            table.c.proposed_by == proposed_by,
            table.c.decided_at > since,
        )
        .order_by(table.c.decided_at.desc(), table.c.id)
    )
    return [_proposal(row) for row in rows]


def decide(
    transaction: Transaction,
    proposal_id: str,
    status: ProposalStatus,
    decided_by: str,
    now: datetime,
) -> bool:
    """Decide an open proposal that has not expired; return whether it was one."""
    result = transaction.execute(
        update(table)
        .where(
            table.c.id == proposal_id,
            table.c.status == ProposalStatus.OPEN,
            table.c.expires_at > now,
        )
        .values(status=status, decided_by=decided_by, decided_at=now)
    )
    return result.rowcount == 1


def _proposal(row: Row[Any]) -> Proposal:
    return Proposal(
        id=row.id,
        kind=row.kind,
        subject_id=row.subject_id,
        details=row.details,
        reason=row.reason,
        status=ProposalStatus(row.status),
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        expires_at=row.expires_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )
