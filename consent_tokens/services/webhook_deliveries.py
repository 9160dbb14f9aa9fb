"""What was posted to a merchant's webhook, what it answered, and posting it again."""

import json
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Final

from consent_tokens.errors import NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.listing import ListFilter, Position
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.webhooks import LEASE_DURATION, record
from consent_tokens.store import webhook_deliveries, webhook_failures
from consent_tokens.store.database import Transaction
from consent_tokens.store.webhooks import Webhook, WebhookEvent, WebhookEventStatus

STATUSES: Final = tuple(each.value for each in WebhookEventStatus)
MAX_REPLAYED: Final = 1000  # events that one act posts again


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event as it was posted to a webhook.

    `said_at` is the time that it names, of some only a day: when it was caused is not shown.
    """

    id: str  # public: the header `webhook-id`
    event_type: str
    status: WebhookEventStatus
    attempts: int
    response: str | None  # to the last attempt: a status, or a kind of error; None: none yet
    attempted_at: datetime | None  # the last time, if it is not attempted again by itself
    next_at: datetime | None
    said_at: datetime
    is_by_day: bool
    body: str  # JSON, in lines
    position: Position

    @property
    def may_be_replayed(self) -> bool:
        """Whether it was delivered, or given up."""
        return self.status in webhook_deliveries.ENDED


def list_deliveries(runtime: Runtime, webhook: Webhook, wanted: ListFilter) -> list[Delivery]:
    """Return a page of what was posted to a webhook, the latest attempt first."""
    found = runtime.database.read(
        lambda transaction: webhook_deliveries.list_attempted(transaction, webhook.id, wanted)
    )
    return [_delivery(runtime, each) for each in found]


def _delivery(runtime: Runtime, event: WebhookEvent) -> Delivery:
    body: dict[str, Any] = json.loads(event.body)
    said_at = datetime.fromisoformat(body["timestamp"])
    is_ended = event.status in webhook_deliveries.ENDED
    is_waiting = event.status is WebhookEventStatus.PENDING and event.response is not None
    return Delivery(
        id=runtime.ids.webhook_event.encode(event.key),
        event_type=event.event_type,
        status=event.status,
        attempts=event.attempts,
        response=event.response,
        attempted_at=event.due_at - LEASE_DURATION if is_ended else None,
        next_at=event.due_at if is_waiting else None,
        said_at=said_at,
        is_by_day=said_at.time() == time(),
        body=json.dumps(body, ensure_ascii=False, indent=2),
        position=webhook_deliveries.position_of(event),
    )


def replay(runtime: Runtime, webhook: Webhook, event_id: str, *, actor_id: str) -> None:
    """Post an event to its webhook again, under the same id. Raises NotFoundError."""
    key, now = runtime.ids.webhook_event.decode(event_id), runtime.clock.now()

    def work(transaction: Transaction) -> None:
        if key is None or not webhook_deliveries.requeue(transaction, webhook.id, key, now):
            raise NotFoundError("no event of that id that was delivered or given up")
        record(runtime, transaction, webhook, EventKind.WEBHOOK_REPLAYED, actor_id)

    runtime.database.run(work)


def replay_failed(runtime: Runtime, webhook: Webhook, *, actor_id: str) -> int:
    """Post again what was given up, up to MAX_REPLAYED of the latest; return how many."""
    now = runtime.clock.now()
    failed = ListFilter(limit=MAX_REPLAYED, status=WebhookEventStatus.FAILED)

    def work(transaction: Transaction) -> int:
        found = webhook_deliveries.list_attempted(transaction, webhook.id, failed)
        keys = [each.key for each in found]
        count = len(webhook_failures.requeue(transaction, keys, now)) if keys else 0
        if count:
            record(runtime, transaction, webhook, EventKind.WEBHOOK_REPLAYED, actor_id)
        return count

    return runtime.database.run(work)
