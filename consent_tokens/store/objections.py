"""Queries on objections of merchants to a refusal or suspension."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from consent_tokens.relay.admission.objections import ObjectionKind
from consent_tokens.relay.templates.moves import AppealStatus
from consent_tokens.store.admission_tables import objections as table
from consent_tokens.store.database import Transaction, insert_or_ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """What a merchant says against a decision; `subject_id` is as in reviews."""

    id: str
    merchant_id: str
    kind: ObjectionKind
    subject_id: str
    review_id: str
    decided_against_by: str
    words: str
    made_by: str
    made_at: datetime
    status: AppealStatus
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None


def add(transaction: Transaction, objection: Objection) -> bool:
    """Insert an objection; return whether there was none to the same decision."""
    return insert_or_ignore(transaction, table, **asdict(objection))


def find(transaction: Transaction, objection_id: str) -> Objection | None:
    """Return an objection; None if there is none."""
    row = transaction.execute(select(table).where(table.c.id == objection_id)).one_or_none()
    return _objection(row) if row else None


def of_merchant(transaction: Transaction, merchant_id: str, limit: int) -> list[Objection]:
    """Return the newest objections of a merchant."""
    rows = transaction.execute(
        select(table)
        .where(table.c.merchant_id == merchant_id)
        .order_by(table.c.made_at.desc(), table.c.id)
        .limit(limit)
    )
    return [_objection(row) for row in rows]


def objected(transaction: Transaction, review_ids: Collection[str]) -> frozenset[str]:
    """Return the decisions, of these, that there is an objection to."""
    query = select(table.c.review_id).where(table.c.review_id.in_(set(review_ids)))
    return frozenset(transaction.scalars(query))


def list_open(transaction: Transaction, limit: int) -> list[Objection]:
    """Return the objections that nobody has decided, the oldest first."""
    rows = transaction.execute(
        select(table)
        .where(table.c.status == AppealStatus.OPEN)
        .order_by(table.c.made_at, table.c.id)
        .limit(limit)
    )
    return [_objection(row) for row in rows]


def decide(transaction: Transaction, decided: Objection) -> bool:
    """Save a decision; return whether the objection was open."""
    result = transaction.execute(
        update(table)
        .where(table.c.id == decided.id, table.c.status == AppealStatus.OPEN)
        .values(
            status=decided.status,
            decided_by=decided.decided_by,
            decided_at=decided.decided_at,
            reason=decided.reason,
        )
    )
    return result.rowcount == 1


def _objection(row: Row[Any]) -> Objection:
    values: dict[str, Any] = {each.name: getattr(row, each.name) for each in table.c}
    return Objection(
        **values | {"kind": ObjectionKind(row.kind), "status": AppealStatus(row.status)}
    )
