"""Queries on the queues: how much waits, and since when the oldest is due."""

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import func, select, text

from consent_tokens.clock import utc_from_epoch
from consent_tokens.relay.message import MessageStatus, Priority
from consent_tokens.store import outbox
from consent_tokens.store.database import Transaction, count_rows, is_distributed
from consent_tokens.store.tables import messages, webhook_events


class Queue(NamedTuple):
    """How many wait, counted up to a limit, and when the first of all is due."""

    waiting: int
    first_due: datetime | None


FIRST_OF_SERVICE: Final = text("""
SELECT min(send_at) FROM messages
WHERE status IN ('queued', 'deferred') AND priority = :priority AND merchant_id IS NULL
""")
# each merchant's first, by the index of what waits, and the first of those
FIRST_OF_MERCHANTS: Final = text(
    f"SELECT min(due.first_due) FROM ({outbox.MERCHANTS_DUE.text}) AS due"  # noqa: S608 - constant
)
FIRST_BY_SHARD: Final = text("""
SELECT min(send_at) FROM messages
WHERE status IN ('queued', 'deferred') AND priority = :priority
""")


def of_messages(transaction: Transaction, priority: Priority, limit: int) -> Queue:
    """Return the queue of the messages of a priority."""
    waiting, _first = outbox.depth(transaction, priority, limit)
    if priority is Priority.SERVICE:
        query = FIRST_OF_SERVICE
    else:
        query = FIRST_BY_SHARD if is_distributed(transaction) else FIRST_OF_MERCHANTS
    first = transaction.execute(query, {"priority": priority.value}).scalar_one()
    return Queue(waiting, None if first is None else utc_from_epoch(first))


def of_webhooks(transaction: Transaction, limit: int) -> Queue:
    """Return the queue of webhook events."""
    is_pending = webhook_events.c.status == text("'pending'")
    waiting = count_rows(transaction, select(webhook_events.c.id).where(is_pending), limit)
    first: datetime | None = transaction.scalar(
        select(func.min(webhook_events.c.due_at)).where(is_pending)
    )
    return Queue(waiting, first)


def count_in_flight(transaction: Transaction, limit: int) -> int:
    """Return how many messages dispatchers have leased, counted up to `limit`."""
    is_sending = messages.c.status == text(f"'{MessageStatus.SENDING}'")
    return count_rows(transaction, select(messages.c.id).where(is_sending), limit)
