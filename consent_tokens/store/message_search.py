"""Queries that find messages over all merchants, without reading a text or a number."""

from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, null, or_, select

from consent_tokens.relay.message import Message
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.messages import message_from_row
from consent_tokens.store.tables import messages

UNREAD: Final = frozenset({"text", "sealed_number", "wrapped_key", "value_hashes"})
COLUMNS: Final = [
    null().label(column.name) if column.name in UNREAD else column for column in messages.c
]

Place = tuple[datetime, int]  # of a message in the list: when it was accepted, and its row id


def find(transaction: Transaction, key: RowKey) -> Message | None:
    """Return a message by its key, without text and number; None if there is none."""
    row = transaction.execute(
        select(*COLUMNS).where(messages.c.partition == key.partition, messages.c.id == key.id)
    ).one_or_none()
    return message_from_row(row) if row else None


def by_reference(
    transaction: Transaction, merchant_id: str, reference: str, limit: int
) -> list[Message]:
    """Return up to `limit` messages of a merchant with a reference, the newest first."""
    rows = transaction.execute(
        select(*COLUMNS)
        .where(messages.c.merchant_id == merchant_id, messages.c.reference == reference)
        .order_by(messages.c.accepted_at.desc(), messages.c.id.desc())
        .limit(limit)
    )
    return [message_from_row(row) for row in rows]


def latest(
    transaction: Transaction,
    *,
    merchant_id: str | None,
    since: datetime,
    until: datetime,
    before: Place | None,
    limit: int,
) -> list[Message]:
    """Return up to `limit` messages, of one merchant or all, the newest first.

    Those that were accepted from `since` to before `until`, and follow the place `before`.
    """
    conditions: list[ColumnElement[bool]] = [
        messages.c.accepted_at >= since,
        messages.c.accepted_at < until,
    ]
    if merchant_id is not None:
        conditions.append(messages.c.merchant_id == merchant_id)
    if before is not None:
        at, row_id = before
        conditions.append(messages.c.accepted_at <= at)
        conditions.append(
            or_(
                messages.c.accepted_at < at,
                and_(messages.c.accepted_at == at, messages.c.id < row_id),
            )
        )
    rows = transaction.execute(
        select(*COLUMNS)
        .where(*conditions)
        .order_by(messages.c.accepted_at.desc(), messages.c.id.desc())
        .limit(limit)
    )
    return [message_from_row(row) for row in rows]
