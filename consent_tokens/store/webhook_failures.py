"""Queries on webhook events whose delivery failed: for good, or until the next attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, Select, and_, literal_column, select, tuple_, update

from consent_tokens.listing import ListFilter, Position
from consent_tokens.row_key import RowKey
from consent_tokens.store.admission_tables import merchants
from consent_tokens.store.database import Transaction
from consent_tokens.store.listing import page
from consent_tokens.store.tables import webhook_events, webhooks
from consent_tokens.store.webhooks import WebhookEventStatus

COLUMNS: Final = [column for column in webhook_events.c if column.name != "body"]
# the condition of the indexes: SQLite takes them only if the status is written out
IS_FAILING_EVENT: Final = and_(
    webhook_events.c.status != literal_column("'delivered'"), webhook_events.c.response.is_not(None)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureSearch:
    """Which failing events are wanted; empty leaves it open."""

    merchant_id: str = ""
    event_type: str = ""
    status: str = ""  # failed, or pending: it is attempted again


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingEvent:
    """A webhook event whose last attempt failed, without what it says."""

    key: RowKey
    merchant_id: str
    merchant_name: str
    webhook_id: str
    url: str
    event_type: str
    status: WebhookEventStatus
    attempts: int
    due_at: datetime  # of the next attempt, while it is pending
    created_at: datetime
    response: str  # of the last attempt: a status, or a kind of error

    @property
    def is_final(self) -> bool:
        """Whether it is not attempted again by itself."""
        return self.status is WebhookEventStatus.FAILED


class Requeued(NamedTuple):
    """Whose events were requeued: one entry for each event."""

    partition: int
    merchant_id: str
    webhook_id: str


def find_failing(
    transaction: Transaction, wanted: FailureSearch, *, before: Position | None, limit: int
) -> list[FailingEvent]:
    """Return up to `limit` events whose last attempt failed, newest first, behind `before`."""
    table = webhook_events
    query = _narrowed(
        select(*COLUMNS, merchants.c.name.label("merchant_name"), webhooks.c.url)
        .join(merchants, merchants.c.id == table.c.merchant_id)
        .join(webhooks, webhooks.c.id == table.c.webhook_id),
        wanted,
    )
    listed = ListFilter(limit=limit, after=before, is_newest_first=True)
    return [
        _failing_event(row) for row in transaction.execute(page(query, table, "created_at", listed))
    ]


def find_position(transaction: Transaction, key: RowKey) -> Position | None:
    """Return where an event is in the list of failing events; None if there is none."""
    row = transaction.execute(
        select(webhook_events.c.created_at, webhook_events.c.id).where(
            webhook_events.c.partition == key.partition, webhook_events.c.id == key.id
        )
    ).one_or_none()
    return (row.created_at, row.id) if row else None


def requeue(transaction: Transaction, keys: Sequence[RowKey], now: datetime) -> list[Requeued]:
    """Requeue the events of these keys that failed for good; return whose they were."""
    table = webhook_events
    statement = (
        update(table)
        .where(
            tuple_(table.c.partition, table.c.id).in_([tuple(key) for key in keys]),
            table.c.status == WebhookEventStatus.FAILED,
        )
        .values(status=WebhookEventStatus.PENDING, attempts=0, due_at=now)
        .returning(table.c.partition, table.c.merchant_id, table.c.webhook_id)
    )
    return [Requeued(*row) for row in transaction.execute(statement)]


def _narrowed(query: Select[Any], wanted: FailureSearch) -> Select[Any]:
    table = webhook_events
    query = query.where(IS_FAILING_EVENT)
    if wanted.merchant_id:
        query = query.where(table.c.merchant_id == wanted.merchant_id)
    if wanted.event_type:
        query = query.where(table.c.event_type == wanted.event_type)
    if wanted.status:
        query = query.where(table.c.status == wanted.status)
    return query


def _failing_event(row: Row[Any]) -> FailingEvent:
    return FailingEvent(
        key=RowKey(row.partition, row.id),
        merchant_id=row.merchant_id,
        merchant_name=row.merchant_name,
        webhook_id=row.webhook_id,
        url=row.url,
        event_type=row.event_type,
        status=WebhookEventStatus(row.status),
        attempts=row.attempts,
        due_at=row.due_at,
        created_at=row.created_at,
        response=row.response,
    )
