"""Questions about merchants' webhooks, and about what they have yet to be told."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, text, update

from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.store.database import Transaction, insert_rows
from consent_tokens.store.tables import merchants, notifications, webhooks


class WebhookEventStatus(StrEnum):
    """Where a notification stands. DEAD ones can be sent again by hand."""

    PENDING = "waiting"
    DELIVERED = "delivered"
    FAILED = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that a merchant wants to be told at, and of what kinds of news."""

    id: str
    merchant_id: str
    url: str
    event_types: frozenset[str]
    secret: bytes  # enclosed
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """One piece of news for one webhook, in the very words that are sent and signed."""

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
    """Keep a new webhook."""
    transaction.execute(
        insert(webhooks).values(
            id=webhook.id,
            merchant_id=webhook.merchant_id,
            url=webhook.url,
            kinds=" ".join(sorted(webhook.event_types)),
            secret=webhook.secret,
            made_at=webhook.created_at,
        )
    )


def remove(transaction: Transaction, webhook_id: str) -> bool:
    """Forget a webhook and what waits for it; whether there was one."""
    transaction.execute(delete(notifications).where(notifications.c.webhook_id == webhook_id))
    return transaction.execute(delete(webhooks).where(webhooks.c.id == webhook_id)).rowcount == 1


def list_all(transaction: Transaction) -> list[Webhook]:
    """Return all webhooks, the oldest first."""
    rows = transaction.execute(select(webhooks).order_by(webhooks.c.made_at, webhooks.c.id))
    return [_webhook(row) for row in rows]


def find(transaction: Transaction, webhook_id: str) -> Webhook | None:
    """Return a webhook; None if there is none."""
    row = transaction.execute(select(webhooks).where(webhooks.c.id == webhook_id)).one_or_none()
    return _webhook(row) if row else None


def subscribed(transaction: Transaction, ids: Collection[str]) -> list[tuple[Webhook, int]]:
    """Return the webhooks of these merchants, each with the merchant's home."""
    rows = transaction.execute(
        select(webhooks, merchants.c.home)
        .join(merchants, merchants.c.id == webhooks.c.merchant_id)
        .where(webhooks.c.merchant_id.in_(set(ids)))
    )
    return [(_webhook(row), row.home) for row in rows]


COLUMNS: Final = (
    "home", "number", "merchant_id", "webhook_id", "kind", "body", "state", "attempts", "due_at",
    "made_at",
)  # fmt: skip


def enqueue(transaction: Transaction, news: Sequence[WebhookEvent]) -> None:
    """Lay notifications out to be sent, with one statement."""
    rows = [
        (
            *each.key, each.merchant_id, each.webhook_id, each.event_type, each.body,
            each.status.value, each.attempts, int(each.due_at.timestamp()),
            int(each.created_at.timestamp()),
        )
        for each in news
    ]  # fmt: skip
    insert_rows(transaction, "notifications", COLUMNS, rows)


def due(transaction: Transaction, now: datetime) -> list[str]:
    """Return the webhooks for which something is due."""
    query = select(notifications.c.webhook_id).where(
        notifications.c.state == WebhookEventStatus.PENDING, notifications.c.due_at <= now
    )
    return list(transaction.execute(query.distinct()).scalars())


LEASE = text("""
UPDATE notifications SET attempts = attempts + 1, due_at = :until
WHERE state = 'waiting' AND due_at <= :now AND (home, number) IN (
    SELECT home, number FROM notifications
    WHERE state = 'waiting' AND due_at <= :now AND webhook_id = :webhook_id
    ORDER BY due_at LIMIT :most)
RETURNING home, number
""")


def lease(
    transaction: Transaction, webhook_id: str, now: datetime, *, until: datetime, most: int
) -> list[WebhookEvent]:
    """Take what is due for a webhook out of the hands of others, until `until`; oldest first."""
    asked = {
        "now": int(now.timestamp()), "until": int(until.timestamp()),
        "webhook_id": webhook_id, "most": most,
    }  # fmt: skip
    taken = [RowKey(row.home, row.number) for row in transaction.execute(LEASE, asked)]
    found = [each for address in taken if (each := find_event(transaction, address))]
    return sorted(found, key=lambda each: (each.created_at, each.key))


def record(transaction: Transaction, notification: WebhookEvent) -> None:
    """Record what became of a notification that was taken; another's taking is not touched."""
    transaction.execute(
        update(notifications)
        .where(
            notifications.c.home == notification.key.partition,
            notifications.c.number == notification.key.id,
            notifications.c.state == WebhookEventStatus.PENDING,
        )
        .values(
            state=notification.status,
            attempts=notification.attempts,
            due_at=notification.due_at,
            answer=notification.response,
        )
    )


def find_event(transaction: Transaction, address: RowKey) -> WebhookEvent | None:
    """Return a notification; None if there is none."""
    row = transaction.execute(
        select(notifications).where(
            notifications.c.home == address.partition, notifications.c.number == address.id
        )
    ).one_or_none()
    return _notification(row) if row else None


def failed(transaction: Transaction, limit: int) -> list[WebhookEvent]:
    """Return the notifications that were given up, the newest first."""
    rows = transaction.execute(
        select(notifications)
        .where(notifications.c.state == WebhookEventStatus.FAILED)
        .order_by(notifications.c.made_at.desc())
        .limit(limit)
    )
    return [_notification(row) for row in rows]


def requeue(transaction: Transaction, address: RowKey | None, now: datetime) -> int:
    """Send a dead notification again, or all of them; return how many."""
    query = update(notifications).where(notifications.c.state == WebhookEventStatus.FAILED)
    if address is not None:
        query = query.where(
            notifications.c.home == address.partition, notifications.c.number == address.id
        )
    result = transaction.execute(
        query.values(state=WebhookEventStatus.PENDING, attempts=0, due_at=now)
    )
    return result.rowcount


def delete_before(transaction: Transaction, before: datetime) -> None:
    """Forget the notifications of before, however they ended."""
    transaction.execute(delete(notifications).where(notifications.c.made_at < before))


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        id=row.id,
        merchant_id=row.merchant_id,
        url=row.url,
        event_types=frozenset(row.kinds.split()),
        secret=row.secret,
        created_at=row.made_at,
    )


def _notification(row: Row[Any]) -> WebhookEvent:
    return WebhookEvent(
        key=RowKey(row.home, row.number),
        merchant_id=row.merchant_id,
        webhook_id=row.webhook_id,
        event_type=row.kind,
        body=row.body,
        status=WebhookEventStatus(row.state),
        attempts=row.attempts,
        due_at=row.due_at,
        created_at=row.made_at,
        response=row.answer,
    )
