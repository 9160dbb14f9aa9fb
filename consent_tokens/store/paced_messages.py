"""Statements on the messages of a pacing: counted, held back, let go, and what people did.

`pacing` of a message is 0 while it is held back, and else 1 with the reactions of its recipient.
The caller has locked the pacing: no two transactions let messages of one go at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, distinct, func, select, text, tuple_, update

from consent_tokens.relay.decision import Reason
from consent_tokens.relay.message import (
    COMPLAINED,
    COUNTED,
    HELD_BACK,
    STOPPED,
    Message,
    MessageStatus,
)
from consent_tokens.relay.pacing import Reactions
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.messages import ARRIVED_STATUSES, message_from_row
from consent_tokens.store.tables import messages

GONE: Final = (MessageStatus.REFUSED, MessageStatus.EXPIRED)  # without having left
WAITING: Final = (MessageStatus.QUEUED, MessageStatus.DEFERRED)
NOT_LEFT: Final = (*WAITING, MessageStatus.SENDING, *GONE)


@dataclass(frozen=True, slots=True)
class PacedCounts:
    """How the messages of a pacing stand."""

    seen: Reactions
    left: int  # messages that a gateway had
    held: int  # messages that are held back


def last_text(
    transaction: Transaction, partition: int, merchant_id: str, since: datetime
) -> Message | None:
    """Return the last text of a merchant to a recipient since then: limited ones before others."""
    row = transaction.execute(
        select(messages)
        .where(
            messages.c.partition == partition,
            messages.c.merchant_id == merchant_id,
            messages.c.send_at > since,
            messages.c.status.in_(ARRIVED_STATUSES),
        )
        .order_by(messages.c.priority.desc(), messages.c.send_at.desc(), messages.c.id.desc())
        .limit(1)
    ).first()
    return message_from_row(row) if row else None


def add_reaction(transaction: Transaction, key: RowKey, reaction: int) -> None:
    """Note that the recipient of a message stopped the merchant or complained, if it is counted."""
    transaction.execute(
        update(messages)
        .where(
            messages.c.partition == key.partition,
            messages.c.id == key.id,
            messages.c.pacing >= COUNTED,
        )
        .values(pacing=messages.c.pacing.bitwise_or(reaction))
    )


def count(transaction: Transaction, pacing_id: str) -> PacedCounts:
    """Count the messages of a pacing, and the different people among their recipients."""
    has_arrived = messages.c.status.in_(ARRIVED_STATUSES)
    has_left = messages.c.status.not_in(NOT_LEFT)
    row = transaction.execute(
        select(
            _people(has_arrived).label("people"),
            _people(messages.c.pacing.bitwise_and(STOPPED) != 0).label("stops"),
            _people(messages.c.pacing.bitwise_and(COMPLAINED) != 0).label("complainants"),
            func.coalesce(func.sum(case((has_left, 1), else_=0)), 0).label("left"),
        ).where(messages.c.pacing_id == pacing_id, messages.c.pacing >= COUNTED)
    ).one()
    held = select(func.count()).where(_is_held(pacing_id))
    return PacedCounts(
        Reactions(row.people, row.stops, row.complainants),
        int(row.left),
        transaction.execute(held).scalar_one(),
    )


def _people(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(distinct(case((condition, messages.c.partition))))


def _is_held(pacing_id: str) -> ColumnElement[bool]:
    return and_(messages.c.pacing_id == pacing_id, messages.c.pacing == HELD_BACK)


def give_back(transaction: Transaction, pacing_id: str) -> int:
    """Forget the messages that were refused or expired; return how many places that frees."""
    is_gone = and_(messages.c.pacing_id == pacing_id, messages.c.status.in_(GONE))
    forgotten = {"pacing_id": None, "pacing": None, "held_from": None}
    transaction.execute(
        update(messages).where(is_gone, messages.c.pacing == HELD_BACK).values(**forgotten)
    )
    freed = transaction.execute(
        update(messages).where(is_gone, messages.c.pacing >= COUNTED).values(**forgotten)
    )
    return freed.rowcount


RELEASE: Final = """
UPDATE messages
SET status = CASE WHEN held_from > :now THEN 'deferred' ELSE 'queued' END,
    send_at = held_from, held_from = NULL, reason = NULL, changed_at = :now,
    pacing_id = {pacing_id}, pacing = {pacing}
WHERE pacing_id = :pacing_id AND pacing = 0 AND status = 'deferred' AND (partition, id) IN (
    SELECT partition, id FROM messages
    WHERE pacing_id = :pacing_id AND pacing = 0 AND status = 'deferred' AND valid_until > :now
    ORDER BY accepted_at, id LIMIT :limit)
"""
RELEASE_INTO_PART: Final = text(RELEASE.format(pacing_id="pacing_id", pacing=COUNTED))
RELEASE_FOR_GOOD: Final = text(RELEASE.format(pacing_id="NULL", pacing="NULL"))


def release(
    transaction: Transaction, pacing_id: str, now: datetime, limit: int, *, is_proven: bool
) -> int:
    """Let up to `limit` messages go, in the order of acceptance; return how many.

    They leave when they were to leave, or at once if that is past. Those of a proven template
    belong to no part.
    """
    statement = RELEASE_FOR_GOOD if is_proven else RELEASE_INTO_PART
    parameters = {"pacing_id": pacing_id, "now": int(now.timestamp()), "limit": limit}
    return transaction.execute(statement, parameters).rowcount


def hold_again(transaction: Transaction, pacing_id: str, now: datetime) -> int:
    """Hold the messages back that were let go and have not left; return how many."""
    held = transaction.execute(
        update(messages)
        .where(
            messages.c.pacing_id == pacing_id,
            messages.c.pacing >= COUNTED,
            messages.c.status.in_(WAITING),
            messages.c.valid_until > now,
        )
        .values(
            pacing=HELD_BACK,
            held_from=messages.c.send_at,
            send_at=messages.c.valid_until,
            status=MessageStatus.DEFERRED,
            reason=Reason.HELD_BACK,
            changed_at=now,
        )
    )
    return held.rowcount


def refuse(
    transaction: Transaction, pacing_id: str, reason: str, now: datetime, limit: int
) -> list[Message]:
    """Refuse up to `limit` messages that have not left, with `reason`; return them."""
    not_left = (
        select(messages.c.partition, messages.c.id)
        .where(messages.c.pacing_id == pacing_id, messages.c.status.in_(WAITING))
        .order_by(messages.c.accepted_at)
        .limit(limit)
    )
    rows: Sequence[Any] = transaction.execute(
        update(messages)
        .where(
            messages.c.pacing_id == pacing_id,
            messages.c.status.in_(WAITING),
            tuple_(messages.c.partition, messages.c.id).in_(not_left),
        )
        .values(
            status=MessageStatus.REFUSED,
            reason=reason,
            changed_at=now,
            sealed_number=None,
            held_from=None,
            pacing_id=None,
            pacing=None,
        )
        .returning(*messages.c)
    ).all()
    return [message_from_row(row) for row in rows]
