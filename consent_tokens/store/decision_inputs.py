"""What decisions on messages were made of: read, to explain and repeat them, and erased.

It is the only part of an event that can be deleted before the event is: an erasure does that.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Row, select, tuple_, update

from consent_tokens.evidence.events import Event
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.events import event_from_row
from consent_tokens.store.tables import events


class RecordedEvent(Struct, frozen=True):
    """An event, with the key of its row."""

    key: RowKey
    event: Event


def find(transaction: Transaction, key: RowKey) -> RecordedEvent | None:
    """Return an event by the key of its row; None if there is none."""
    row = transaction.execute(
        select(events).where(events.c.partition == key.partition, events.c.id == key.id)
    ).one_or_none()
    return _recorded(row) if row else None


def of_message(transaction: Transaction, message: RowKey) -> list[RecordedEvent]:
    """Return the events of a message, the oldest first."""
    rows = transaction.execute(
        select(events)
        .where(events.c.partition == message.partition, events.c.message_id == message.id)
        .order_by(events.c.at, events.c.id)
    )
    return [_recorded(row) for row in rows]


def decisions_from(
    transaction: Transaction, after: RowKey | None, since: datetime, limit: int
) -> list[RecordedEvent]:
    """Return up to `limit` events with inputs from `since` on, by key, of those after a key."""
    query = select(events).where(events.c.inputs.is_not(None), events.c.at >= since)
    if after is not None:
        query = query.where(tuple_(events.c.partition, events.c.id) > tuple_(*after))
    rows = transaction.execute(query.order_by(events.c.partition, events.c.id).limit(limit))
    return [_recorded(row) for row in rows]


def delete_of_recipient(transaction: Transaction, partition: int) -> None:
    """Delete what decisions on messages to a recipient were made of; the events stay."""
    transaction.execute(
        update(events)
        .where(events.c.partition == partition, events.c.inputs.is_not(None))
        .values(inputs=None)
    )


def _recorded(row: Row[Any]) -> RecordedEvent:
    return RecordedEvent(RowKey(row.partition, row.id), event_from_row(row))
