"""Queries on what was posted to one webhook: its events that were attempted once at least.

Others are not listed: an event of an act that touches several merchants waits for a random time, in
which its merchant must not see it (promise 5).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import select, update

from consent_tokens.listing import ListFilter, Position
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.listing import page
from consent_tokens.store.tables import IS_ATTEMPTED, webhook_events
from consent_tokens.store.webhooks import WebhookEvent, WebhookEventStatus, event_from_row

ENDED: Final = (WebhookEventStatus.DELIVERED, WebhookEventStatus.FAILED)


def position_of(event: WebhookEvent) -> Position:
    """Return the place of an event in the list."""
    return event.due_at, event.key.id


def list_attempted(
    transaction: Transaction, webhook_id: str, wanted: ListFilter
) -> list[WebhookEvent]:
    """Return a page of a webhook's events, by the time of their next or last attempt."""
    statuses: Iterable[str] = [wanted.status] if wanted.status else WebhookEventStatus
    found = [
        each
        for status in statuses  # each is a range of the index
        for each in _of_status(transaction, webhook_id, status, wanted)
    ]
    return sorted(found, key=position_of, reverse=True)[: wanted.limit]


def _of_status(
    transaction: Transaction, webhook_id: str, status: str, wanted: ListFilter
) -> list[WebhookEvent]:
    events = webhook_events.c
    query = select(webhook_events).where(
        events.webhook_id == webhook_id, events.status == status, IS_ATTEMPTED
    )
    newest_first = ListFilter(limit=wanted.limit, after=wanted.after, is_newest_first=True)
    rows = transaction.execute(page(query, webhook_events, "due_at", newest_first))
    return [event_from_row(row) for row in rows]


def requeue(transaction: Transaction, webhook_id: str, key: RowKey, now: datetime) -> bool:
    """Requeue an event of a webhook that was delivered or failed; return whether there was one."""
    events = webhook_events.c
    result = transaction.execute(
        update(webhook_events)
        .where(
            events.partition == key.partition,
            events.id == key.id,
            events.webhook_id == webhook_id,
            events.status.in_(ENDED),
        )
        .values(status=WebhookEventStatus.PENDING, attempts=0, due_at=now)
    )
    return result.rowcount == 1
