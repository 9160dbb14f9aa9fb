"""Queries on moves of templates to another purpose."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from consent_tokens.relay.templates.moves import AppealStatus, MoveStatus
from consent_tokens.store.admission_tables import template_moves as table
from consent_tokens.store.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateMove:
    """A template that is put under another purpose; `place` counts its moves from 1."""

    template_id: str
    place: int
    previous_purpose: str
    purpose: str
    status: MoveStatus
    decided_at: datetime
    decided_by: str
    reason: str
    takes_effect_at: datetime
    appeal: str | None = None  # what the merchant says against it
    appealed_at: datetime | None = None
    appeal_status: AppealStatus | None = None


def add(transaction: Transaction, move: TemplateMove) -> None:
    """Insert a move."""
    transaction.execute(
        insert(table).values(
            template_id=move.template_id,
            place=move.place,
            previous_purpose=move.previous_purpose,
            purpose=move.purpose,
            decided_at=move.decided_at,
            decided_by=move.decided_by,
            reason=move.reason,
            takes_effect_at=move.takes_effect_at,
            **_standing(move),
        )
    )


def save(transaction: Transaction, move: TemplateMove) -> None:
    """Save the status of a move, and the appeal against it."""
    transaction.execute(
        update(table)
        .where(table.c.template_id == move.template_id, table.c.place == move.place)
        .values(**_standing(move))
    )


def last_of(transaction: Transaction, template_ids: Collection[str]) -> dict[str, TemplateMove]:
    """Return the last move of each template that was ever moved."""
    rows = transaction.execute(
        select(table).where(table.c.template_id.in_(set(template_ids))).order_by(table.c.place)
    )
    return {row.template_id: _move(row) for row in rows}


def due_ids(transaction: Transaction, now: datetime, limit: int) -> list[str]:
    """Return up to `limit` templates whose announced move is due."""
    rows = transaction.execute(
        select(table.c.template_id)
        .where(table.c.status == MoveStatus.ANNOUNCED, table.c.takes_effect_at <= now)
        .limit(limit)
    )
    return [row.template_id for row in rows]


def with_open_appeal(transaction: Transaction, limit: int) -> list[TemplateMove]:
    """Return up to `limit` moves with an open appeal, the oldest appeal first."""
    rows = transaction.execute(
        select(table)
        .where(table.c.appeal_status == AppealStatus.OPEN)
        .order_by(table.c.appealed_at, table.c.template_id)
        .limit(limit)
    )
    return [_move(row) for row in rows]


def _standing(move: TemplateMove) -> dict[str, Any]:
    return {
        "status": move.status,
        "appeal": move.appeal,
        "appealed_at": move.appealed_at,
        "appeal_status": move.appeal_status,
    }


def _move(row: Row[Any]) -> TemplateMove:
    return TemplateMove(
        template_id=row.template_id,
        place=row.place,
        previous_purpose=row.previous_purpose,
        purpose=row.purpose,
        status=MoveStatus(row.status),
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        reason=row.reason,
        takes_effect_at=row.takes_effect_at,
        appeal=row.appeal,
        appealed_at=row.appealed_at,
        appeal_status=AppealStatus(row.appeal_status) if row.appeal_status else None,
    )
