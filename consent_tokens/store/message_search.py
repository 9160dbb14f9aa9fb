"""Queries that find messages over all merchants, without reading a text or a number."""

from datetime import datetime
from typing import Final

from sqlalchemy import null, select

from consent_tokens.listing import ListFilter, Position
from consent_tokens.relay.message import Message
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.listing import page
from consent_tokens.store.messages import message_from_row
from consent_tokens.store.tables import messages

UNREAD: Final = frozenset({"text", "sealed_number", "wrapped_key", "value_hashes"})
COLUMNS: Final = [
    null().label(column.name) if column.name in UNREAD else column for column in messages.c
]


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
    before: Position | None,
    limit: int,
) -> list[Message]:
    """Return up to `limit` messages, of one merchant or all, the newest first.

    Those that were accepted from `since` to before `until`, and follow the position `before`.
    """
    query = select(*COLUMNS)
    if merchant_id is not None:
        query = query.where(messages.c.merchant_id == merchant_id)
    wanted = ListFilter(
        limit=limit,
        after=before,
        created_from=since,
        created_before=until,
        is_newest_first=True,
    )
    rows = transaction.execute(page(query, messages, "accepted_at", wanted))
    return [message_from_row(row) for row in rows]
