"""Queries on control groups: merchants under one control, and pairs that may be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, update

from consent_tokens.store.admission_tables import control_group_proposals as table
from consent_tokens.store.admission_tables import merchants
from consent_tokens.store.database import Transaction, insert_or_ignore


class ProposalStatus(StrEnum):
    """The status of a proposal."""

    OPEN = "open"
    JOINED = "joined"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Two merchants that share something; `merchant_id` is the smaller of their ids."""

    merchant_id: str
    other_id: str
    signals: tuple[str, ...]
    proposed_at: datetime
    status: ProposalStatus = ProposalStatus.OPEN
    decided_at: datetime | None = None
    decided_by: str | None = None


def members(transaction: Transaction, merchant_id: str) -> list[str]:
    """Return the ids of the merchants under one control with a merchant: itself among them."""
    group = select(merchants.c.control_group).where(merchants.c.id == merchant_id)
    rows = transaction.execute(
        select(merchants.c.id).where(merchants.c.control_group == group.scalar_subquery())
    )
    return sorted({merchant_id, *(row.id for row in rows)})


def set_group(transaction: Transaction, merchant_ids: Sequence[str], group: str) -> None:
    """Put merchants into a control group."""
    transaction.execute(
        update(merchants).where(merchants.c.id.in_(merchant_ids)).values(control_group=group)
    )


def propose(transaction: Transaction, proposal: Proposal) -> None:
    """Insert a proposal, or say anew what the two share; one that was decided is open again.

    It is so if they share more than they did.
    """
    key = {"merchant_id": proposal.merchant_id, "other_id": proposal.other_id}
    signals = " ".join(proposal.signals)
    values = {"signals": signals, "proposed_at": proposal.proposed_at, "status": proposal.status}
    if not insert_or_ignore(transaction, table, **key, **values):
        transaction.execute(
            update(table)
            .where(*_is(proposal.merchant_id, proposal.other_id), table.c.signals != signals)
            .where(table.c.status != ProposalStatus.JOINED)
            .values(**values)
        )


def find(transaction: Transaction, merchant_id: str, other_id: str) -> Proposal | None:
    """Return the proposal on two merchants, in either order; None if there is none."""
    row = transaction.execute(select(table).where(*_is(merchant_id, other_id))).one_or_none()
    return _proposal(row) if row else None


def decide(transaction: Transaction, proposal: Proposal) -> None:
    """Save what was decided about two merchants, whether it was proposed or not."""
    values = {
        "status": proposal.status,
        "decided_at": proposal.decided_at,
        "decided_by": proposal.decided_by,
    }
    inserted = insert_or_ignore(
        transaction,
        table,
        merchant_id=proposal.merchant_id,
        other_id=proposal.other_id,
        signals=" ".join(proposal.signals),
        proposed_at=proposal.proposed_at,
        **values,
    )
    if not inserted:
        is_pair = _is(proposal.merchant_id, proposal.other_id)
        transaction.execute(update(table).where(*is_pair).values(**values))


def list_open(transaction: Transaction) -> list[Proposal]:
    """Return the proposals that nobody decided yet, oldest first."""
    rows = transaction.execute(
        select(table)
        .where(table.c.status == ProposalStatus.OPEN)
        .order_by(table.c.proposed_at, table.c.merchant_id, table.c.other_id)
    )
    return [_proposal(row) for row in rows]


def of_merchant(transaction: Transaction, merchant_id: str) -> list[Proposal]:
    """Return all proposals on a merchant, oldest first."""
    rows = transaction.execute(
        select(table)
        .where((table.c.merchant_id == merchant_id) | (table.c.other_id == merchant_id))
        .order_by(table.c.proposed_at, table.c.merchant_id, table.c.other_id)
    )
    return [_proposal(row) for row in rows]


def _is(one: str, other: str) -> tuple[Any, ...]:
    smaller, greater = sorted((one, other))
    return table.c.merchant_id == smaller, table.c.other_id == greater


def _proposal(row: Row[Any]) -> Proposal:
    return Proposal(
        merchant_id=row.merchant_id,
        other_id=row.other_id,
        signals=tuple(row.signals.split()),
        proposed_at=row.proposed_at,
        status=ProposalStatus(row.status),
        decided_at=row.decided_at,
        decided_by=row.decided_by,
    )
