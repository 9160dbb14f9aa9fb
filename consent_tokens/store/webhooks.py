"""Queries on merchants' webhooks, and on the outbox of webhook events."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, TextClause, bindparam, delete, insert, select, text, update

from consent_tokens.row_key import RowKey
from consent_tokens.store.admission_tables import merchants
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import IS_HELD, webhook_events, webhooks


class WebhookEventStatus(StrEnum):
    """The status of a webhook event. FAILED ones can be requeued."""

    PENDING = "pending"
    HELD = "held"  # due while its webhook is paused
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A URL of a merchant, and the types of events that are posted to it."""

    id: str
    merchant_id: str
    url: str
    event_types: frozenset[str]
    secret: bytes  # in a sealed envelope
    created_at: datetime
    previous_secret: bytes | None = None  # likewise; signs too until `previous_until`
    previous_until: datetime | None = None
    paused_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """One event for one webhook; `body` is posted and signed as it is."""

    key: RowKey
    merchant_id: str
    webhook_id: str
    event_type: str
    body: str
    status: WebhookEventStatus
    attempts: int
    due_at: datetime
    created_at: datetime
    response: str | None = None


def add(transaction: Transaction, webhook: Webhook) -> None:
    """Insert a webhook."""
    transaction.execute(
        insert(webhooks).values(
            id=webhook.id,
            merchant_id=webhook.merchant_id,
            url=webhook.url,
            event_types=" ".join(sorted(webhook.event_types)),
            secret=webhook.secret,
            created_at=webhook.created_at,
        )
    )


def remove(transaction: Transaction, webhook_id: str) -> bool:
    """Delete a webhook and its events; return whether it existed."""
    transaction.execute(delete(webhook_events).where(webhook_events.c.webhook_id == webhook_id))
    return transaction.execute(delete(webhooks).where(webhooks.c.id == webhook_id)).rowcount == 1


def list_all(transaction: Transaction) -> list[Webhook]:
    """Return all webhooks, oldest first."""
    rows = transaction.execute(select(webhooks).order_by(webhooks.c.created_at, webhooks.c.id))
    return [_webhook(row) for row in rows]


def of_merchant(transaction: Transaction, merchant_id: str) -> list[Webhook]:
    """Return a merchant's webhooks, oldest first."""
    rows = transaction.execute(
        select(webhooks)
        .where(webhooks.c.merchant_id == merchant_id)
        .order_by(webhooks.c.created_at, webhooks.c.id)
    )
    return [_webhook(row) for row in rows]


def rotate_secret(
    transaction: Transaction, webhook_id: str, secret: bytes, *, previous_until: datetime
) -> None:
    """Replace the sealed secret of a webhook; the present one becomes the previous one."""
    transaction.execute(
        update(webhooks)
        .where(webhooks.c.id == webhook_id)
        .values(previous_secret=webhooks.c.secret, previous_until=previous_until, secret=secret)
    )


def set_paused(transaction: Transaction, webhook_id: str, at: datetime | None) -> bool:
    """Pause a webhook, or (None) resume it; return whether that changed anything."""
    was = webhooks.c.paused_at.is_(None) if at else webhooks.c.paused_at.is_not(None)
    result = transaction.execute(
        update(webhooks).where(webhooks.c.id == webhook_id, was).values(paused_at=at)
    )
    return result.rowcount == 1


HOLD = text("""
UPDATE webhook_events SET status = 'held'
WHERE status = 'pending' AND due_at <= :now AND (partition, id) IN (
    SELECT partition, id FROM webhook_events
    WHERE status = 'pending' AND due_at <= :now AND webhook_id = :webhook_id LIMIT :limit)
""")
RELEASE = text("""
UPDATE webhook_events SET status = 'pending', due_at = :now
WHERE status = 'held' AND (partition, id) IN (
    SELECT partition, id FROM webhook_events
    WHERE status = 'held' AND webhook_id = :webhook_id LIMIT :limit)
""")


def hold_due(transaction: Transaction, webhook_id: str, now: datetime, limit: int) -> int:
    """Hold up to `limit` due events of a paused webhook; return how many."""
    return _change(transaction, HOLD, webhook_id, now, limit)


def has_held(transaction: Transaction, webhook_id: str) -> bool:
    """Whether events of a webhook are held."""
    query = select(webhook_events.c.id).where(webhook_events.c.webhook_id == webhook_id, IS_HELD)
    return transaction.execute(query.limit(1)).first() is not None


def release_held(transaction: Transaction, webhook_id: str, now: datetime, limit: int) -> int:
    """Requeue up to `limit` held events of a webhook; return how many."""
    return _change(transaction, RELEASE, webhook_id, now, limit)


def _change(
    transaction: Transaction, statement: TextClause, webhook_id: str, now: datetime, limit: int
) -> int:
    parameters = {"webhook_id": webhook_id, "now": int(now.timestamp()), "limit": limit}
    return transaction.execute(statement, parameters).rowcount


def find(transaction: Transaction, webhook_id: str) -> Webhook | None:
    """Return a webhook; None if there is none."""
    row = transaction.execute(select(webhooks).where(webhooks.c.id == webhook_id)).one_or_none()
    return _webhook(row) if row else None


def lock(transaction: Transaction, webhook_id: str) -> Webhook | None:
    """Return a webhook, and lock its row until the transaction ends; None if there is none."""
    query = select(webhooks).where(webhooks.c.id == webhook_id).with_for_update()
    row = transaction.execute(query).one_or_none()
    return _webhook(row) if row else None


def subscribed(transaction: Transaction, ids: Collection[str]) -> list[tuple[Webhook, int]]:
    """Return the webhooks of these merchants, each with the merchant's partition."""
    rows = transaction.execute(
        select(webhooks, merchants.c.partition)
        .join(merchants, merchants.c.id == webhooks.c.merchant_id)
        .where(webhooks.c.merchant_id.in_(set(ids)))
    )
    return [(_webhook(row), row.partition) for row in rows]


COLUMNS: Final = (
    "partition", "id", "merchant_id", "webhook_id", "event_type", "body", "status", "attempts",
    "due_at", "created_at",
)  # fmt: skip


def enqueue(transaction: Transaction, enqueued: Sequence[WebhookEvent]) -> None:
    """Insert events into the outbox of webhooks with one statement."""
    rows = [
        (
            *each.key, each.merchant_id, each.webhook_id, each.event_type, each.body,
            each.status.value, each.attempts, int(each.due_at.timestamp()),
            int(each.created_at.timestamp()),
        )
        for each in enqueued
    ]  # fmt: skip
    insert_rows(transaction, "webhook_events", COLUMNS, rows)


def due(transaction: Transaction, now: datetime) -> list[tuple[str, str]]:
    """Return the webhooks that have an event due, each as its id and its merchant's."""
    query = select(webhook_events.c.webhook_id, webhook_events.c.merchant_id).where(
        webhook_events.c.status == WebhookEventStatus.PENDING, webhook_events.c.due_at <= now
    )
    return [(row.webhook_id, row.merchant_id) for row in transaction.execute(query.distinct())]


LEASE = text(f"""
UPDATE webhook_events SET attempts = attempts + 1, due_at = :until
WHERE status = 'pending' AND due_at <= :now AND (partition, id) IN (
    SELECT partition, id FROM webhook_events
    WHERE status = 'pending' AND due_at <= :now AND webhook_id = :webhook_id
    ORDER BY due_at LIMIT :limit)
RETURNING {", ".join(column.name for column in webhook_events.columns)}
""").columns(*webhook_events.columns)  # noqa: S608 - names of columns


def lease(
    transaction: Transaction, webhook_id: str, now: datetime, *, until: datetime, limit: int
) -> list[WebhookEvent]:
    """Lease up to `limit` due events of a webhook until `until`; return them, oldest first."""
    parameters = {
        "now": int(now.timestamp()), "until": int(until.timestamp()),
        "webhook_id": webhook_id, "limit": limit,
    }  # fmt: skip
    leased = [event_from_row(row) for row in transaction.execute(LEASE, parameters)]
    return sorted(leased, key=lambda each: (each.created_at, each.key))


RECORD: Final = (
    update(webhook_events)
    .where(
        webhook_events.c.partition == bindparam("of_partition"),
        webhook_events.c.id == bindparam("of_id"),
        webhook_events.c.status == WebhookEventStatus.PENDING,
    )
    .values(
        status=bindparam("new_status"),
        attempts=bindparam("new_attempts"),
        due_at=bindparam("new_due_at"),
        response=bindparam("new_response"),
    )
)


def record(transaction: Transaction, events: Sequence[WebhookEvent]) -> None:
    """Record the results of leased events, but for those that have ended meanwhile."""
    transaction.execute(
        RECORD,
        [
            {
                "of_partition": each.key.partition,
                "of_id": each.key.id,
                "new_status": each.status,
                "new_attempts": each.attempts,
                "new_due_at": each.due_at,
                "new_response": each.response,
            }
            for each in events
        ],
    )


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        id=row.id,
        merchant_id=row.merchant_id,
        url=row.url,
        event_types=frozenset(row.event_types.split()),
        secret=row.secret,
        created_at=row.created_at,
        previous_secret=row.previous_secret,
        previous_until=row.previous_until,
        paused_at=row.paused_at,
    )


def event_from_row(row: Row[Any]) -> WebhookEvent:
    """Return the event in a row of `webhook_events`."""
    return WebhookEvent(
        key=RowKey(row.partition, row.id),
        merchant_id=row.merchant_id,
        webhook_id=row.webhook_id,
        event_type=row.event_type,
        body=row.body,
        status=WebhookEventStatus(row.status),
        attempts=row.attempts,
        due_at=row.due_at,
        created_at=row.created_at,
        response=row.response,
    )
