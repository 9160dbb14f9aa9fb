"""Questions about merchants' webhooks, and about what they have yet to be told."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, text, update

from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.store.database import Transaction, insert_rows
from consent_tokens.store.tables import merchants, notifications, webhooks


class NotificationState(StrEnum):
    """Where a notification stands. DEAD ones can be sent again by hand."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that a merchant wants to be told at, and of what kinds of news."""

    id: str
    merchant_id: str
    url: str
    kinds: frozenset[str]
    secret: bytes  # enclosed
    made: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One piece of news for one webhook, in the very words that are sent and signed."""

    address: Address
    merchant_id: str
    webhook_id: str
    kind: str
    body: str
    state: NotificationState
    attempts: int
    due: datetime
    made: datetime
    answer: str | None = None


def add(transaction: Transaction, webhook: Webhook) -> None:
    """Keep a new webhook."""
    transaction.execute(
        insert(webhooks).values(
            id=webhook.id,
            merchant_id=webhook.merchant_id,
            url=webhook.url,
            kinds=" ".join(sorted(webhook.kinds)),
            secret=webhook.secret,
            made_at=webhook.made,
        )
    )


def remove(transaction: Transaction, webhook_id: str) -> bool:
    """Forget a webhook and what waits for it; whether there was one."""
    transaction.execute(delete(notifications).where(notifications.c.webhook_id == webhook_id))
    return transaction.execute(delete(webhooks).where(webhooks.c.id == webhook_id)).rowcount == 1


def every(transaction: Transaction) -> list[Webhook]:
    """Return all webhooks, the oldest first."""
    rows = transaction.execute(select(webhooks).order_by(webhooks.c.made_at, webhooks.c.id))
    return [_webhook(row) for row in rows]


def find(transaction: Transaction, webhook_id: str) -> Webhook | None:
    """Return a webhook; None if there is none."""
    row = transaction.execute(select(webhooks).where(webhooks.c.id == webhook_id)).one_or_none()
    return _webhook(row) if row else None


def listening(transaction: Transaction, ids: Collection[str]) -> list[tuple[Webhook, int]]:
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


def lay_out(transaction: Transaction, news: Sequence[Notification]) -> None:
    """Lay notifications out to be sent, with one statement."""
    rows = [
        (
            *each.address, each.merchant_id, each.webhook_id, each.kind, each.body,
            each.state.value, each.attempts, int(each.due.timestamp()), int(each.made.timestamp()),
        )
        for each in news
    ]  # fmt: skip
    insert_rows(transaction, "notifications", COLUMNS, rows)


def due(transaction: Transaction, now: datetime) -> list[str]:
    """Return the webhooks for which something is due."""
    query = select(notifications.c.webhook_id).where(
        notifications.c.state == NotificationState.WAITING, notifications.c.due_at <= now
    )
    return list(transaction.execute(query.distinct()).scalars())


TAKE = text("""
UPDATE notifications SET attempts = attempts + 1, due_at = :until
WHERE state = 'waiting' AND due_at <= :now AND (home, number) IN (
    SELECT home, number FROM notifications
    WHERE state = 'waiting' AND due_at <= :now AND webhook_id = :webhook_id
    ORDER BY due_at LIMIT :most)
RETURNING home, number
""")


def take(
    transaction: Transaction, webhook_id: str, now: datetime, *, until: datetime, most: int
) -> list[Notification]:
    """Take what is due for a webhook out of the hands of others, until `until`; oldest first."""
    asked = {
        "now": int(now.timestamp()), "until": int(until.timestamp()),
        "webhook_id": webhook_id, "most": most,
    }  # fmt: skip
    taken = [Address(row.home, row.number) for row in transaction.execute(TAKE, asked)]
    found = [each for address in taken if (each := look(transaction, address))]
    return sorted(found, key=lambda each: (each.made, each.address))


def conclude(transaction: Transaction, notification: Notification) -> None:
    """Record what became of a notification that was taken; another's taking is not touched."""
    transaction.execute(
        update(notifications)
        .where(
            notifications.c.home == notification.address.home,
            notifications.c.number == notification.address.number,
            notifications.c.state == NotificationState.WAITING,
        )
        .values(
            state=notification.state,
            attempts=notification.attempts,
            due_at=notification.due,
            answer=notification.answer,
        )
    )


def look(transaction: Transaction, address: Address) -> Notification | None:
    """Return a notification; None if there is none."""
    row = transaction.execute(
        select(notifications).where(
            notifications.c.home == address.home, notifications.c.number == address.number
        )
    ).one_or_none()
    return _notification(row) if row else None


def dead(transaction: Transaction, limit: int) -> list[Notification]:
    """Return the notifications that were given up, the newest first."""
    rows = transaction.execute(
        select(notifications)
        .where(notifications.c.state == NotificationState.DEAD)
        .order_by(notifications.c.made_at.desc())
        .limit(limit)
    )
    return [_notification(row) for row in rows]


def revive(transaction: Transaction, address: Address | None, now: datetime) -> int:
    """Send a dead notification again, or all of them; return how many."""
    query = update(notifications).where(notifications.c.state == NotificationState.DEAD)
    if address is not None:
        query = query.where(
            notifications.c.home == address.home, notifications.c.number == address.number
        )
    result = transaction.execute(
        query.values(state=NotificationState.WAITING, attempts=0, due_at=now)
    )
    return result.rowcount


def drop(transaction: Transaction, before: datetime) -> None:
    """Forget the notifications of before, however they ended."""
    transaction.execute(delete(notifications).where(notifications.c.made_at < before))


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        id=row.id,
        merchant_id=row.merchant_id,
        url=row.url,
        kinds=frozenset(row.kinds.split()),
        secret=row.secret,
        made=row.made_at,
    )


def _notification(row: Row[Any]) -> Notification:
    return Notification(
        address=Address(row.home, row.number),
        merchant_id=row.merchant_id,
        webhook_id=row.webhook_id,
        kind=row.kind,
        body=row.body,
        state=NotificationState(row.state),
        attempts=row.attempts,
        due=row.due_at,
        made=row.made_at,
        answer=row.answer,
    )
