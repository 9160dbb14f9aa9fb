"""Merchants are told what became of their consents and messages, by webhooks.

The shape is that of Standard Webhooks: `{"type", "timestamp", "data"}`, signed. News is laid out in
the transaction that makes it, and sent after it, at least once.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from standardwebhooks import Webhook as Signature

from consent_tokens import metrics
from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.consent.scope import format_time_of_day
from consent_tokens.crypto.encoding import encode
from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.gateways.webhook_client import CallResult, WebhookClient
from consent_tokens.relay.message import MessageOutcome, MessageStatus
from consent_tokens.row_key import RowKey
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import merchants, webhooks
from consent_tokens.store.database import Transaction
from consent_tokens.store.webhooks import Webhook, WebhookEvent, WebhookEventStatus

# after so long each is tried again (Standard Webhooks, "Deliverability and reliability")
RETRY_DELAYS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
LEASE_DURATION: Final = timedelta(
    seconds=300
)  # by one who sends; a dead sender's are taken by others
BATCH_SIZE: Final = 20
RETENTION: Final = timedelta(days=30)
MAX_URL_LENGTH: Final = 2000
SECRET_BYTES: Final = 32


class WebhookEventType(StrEnum):
    """What a webhook may be told of."""

    CONSENT_GRANTED = "consent.granted"
    CONSENT_REVOKED = "consent.revoked"
    CONSENT_CHANGED = "consent.changed"
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_FAILED = "message.failed"


@dataclass(frozen=True, slots=True)
class MerchantEvent:
    """One piece of news for a merchant. Names nothing but the merchant's own handles."""

    merchant_id: str
    event_type: WebhookEventType
    data: Mapping[str, Any]


def grant_event(runtime: Runtime, grant: Grant, reason: EndReason | None = None) -> MerchantEvent:
    """Return the news that a grant was given, or that it ended."""
    public_id = runtime.keyring.ids.grant.encode(grant.key)
    data: dict[str, Any] = {"grant": public_id, "status": grant.status.value}
    if reason is None:
        data["purposes"] = sorted(grant.scope.purposes)
        return MerchantEvent(grant.merchant_id, WebhookEventType.CONSENT_GRANTED, data)
    return MerchantEvent(grant.merchant_id, WebhookEventType.CONSENT_REVOKED, data)


def grant_changed_event(runtime: Runtime, grant: Grant) -> MerchantEvent:
    """Return the news that a grant covers more or less now: what, not why."""
    scope = grant.scope
    data = {
        "grant": runtime.keyring.ids.grant.encode(grant.key),
        "status": grant.status.value,
        "purposes": sorted(scope.purposes),
        "max_messages": scope.frequency_cap.limit,
        "per_days": scope.frequency_cap.window.days,
        "from": format_time_of_day(scope.send_window.opens),
        "to": format_time_of_day(scope.send_window.closes),
        "expires_at": scope.ends_at.isoformat(),
    }
    return MerchantEvent(grant.merchant_id, WebhookEventType.CONSENT_CHANGED, data)


def message_status_event(
    runtime: Runtime,
    key: RowKey,
    merchant_id: str | None,
    reference: str | None,
    outcome: MessageOutcome | tuple[MessageStatus, str | None],
) -> MerchantEvent:
    """Return the news of what became of a message."""
    status, reason = (
        (outcome.status, outcome.reason) if isinstance(outcome, MessageOutcome) else outcome
    )
    kind = (
        WebhookEventType.MESSAGE_DELIVERED
        if status is MessageStatus.DELIVERED
        else WebhookEventType.MESSAGE_FAILED
    )
    data = {
        "message": runtime.keyring.ids.message.encode(key),
        "reference": reference,
        "status": status.value,
        "reason": reason,
    }
    return MerchantEvent(merchant_id or "", kind, data)


def enqueue(
    runtime: Runtime,
    transaction: Transaction,
    merchant_events: Sequence[MerchantEvent],
    now: datetime,
) -> None:
    """Lay news out for the webhooks that want it."""
    if not merchant_events:
        return
    listening = webhooks.subscribed(transaction, {item.merchant_id for item in merchant_events})
    if listening:
        webhooks.enqueue(
            transaction,
            [
                _webhook_event(runtime, item, webhook, partition, now)
                for item in merchant_events
                for webhook, partition in listening
                if item.merchant_id == webhook.merchant_id
                and item.event_type in webhook.event_types
            ],
        )


def _webhook_event(
    runtime: Runtime, item: MerchantEvent, webhook: Webhook, partition: int, now: datetime
) -> WebhookEvent:
    body = {"type": item.event_type.value, "timestamp": now.isoformat(), "data": item.data}
    return WebhookEvent(
        key=runtime.new_key(partition),
        merchant_id=item.merchant_id,
        webhook_id=webhook.id,
        event_type=item.event_type.value,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        status=WebhookEventStatus.PENDING,
        attempts=0,
        due_at=now,
        created_at=now,
    )


# --- Webhooks, as the operator admits them ------------------------------------------------------


def add_webhook(
    runtime: Runtime,
    client: WebhookClient,
    merchant_id: str,
    url: str,
    event_types: Sequence[str] = (),
) -> tuple[Webhook, str]:
    """Add a webhook; return it with its secret, which is shown this once.

    Raises NotFoundError, or InvalidError if the address could never be called.
    """
    errors: dict[str, list[str]] = {}
    wanted = frozenset(event_types or [kind.value for kind in WebhookEventType])
    parts = urlsplit(url)
    is_address = parts.scheme in {"http", "https"} and parts.hostname and len(url) <= MAX_URL_LENGTH
    if not is_address or parts.username or not url.isascii() or not url.isprintable():
        errors["url"] = ["Must be an https:// address without a name or password in it."]
    elif why := client.refusal(url):
        errors["url"] = [f"Cannot be called: {why}."]
    if unknown := wanted - {kind.value for kind in WebhookEventType}:
        errors["events"] = [f"No such event: {', '.join(sorted(unknown))}."]
    if errors:
        raise InvalidError(errors)
    secret = runtime.random.token_bytes(SECRET_BYTES)
    webhook_id = f"wh_{encode(runtime.random.token_bytes(12))}"
    webhook = Webhook(
        id=webhook_id,
        merchant_id=merchant_id,
        url=url,
        event_types=wanted,
        secret=runtime.seal_envelope(secret, webhook_id.encode()),
        created_at=runtime.clock.now(),
    )

    def work(transaction: Transaction) -> None:
        if merchants.find(transaction, merchant_id) is None:
            raise NotFoundError("no such merchant")
        webhooks.add(transaction, webhook)

    runtime.database.run(work)
    return webhook, f"whsec_{base64.b64encode(secret).decode()}"


# --- Sending ------------------------------------------------------------------------------------


def due_webhooks(runtime: Runtime) -> list[str]:
    """Return the ids of the webhooks for which an event is due."""
    now = runtime.clock.now()
    return runtime.database.read(lambda transaction: webhooks.due(transaction, now))


def deliver(runtime: Runtime, client: WebhookClient, webhook_id: str) -> int:
    """Send what is due for one webhook, in order, until it is all told or one try fails.

    What comes after a failed try waits as long as that one: a receiver that is away is left alone.
    Returns how many it took.
    """
    now = runtime.clock.now()

    def work(transaction: Transaction) -> tuple[Webhook | None, list[WebhookEvent]]:
        webhook = webhooks.find(transaction, webhook_id)
        return webhook, webhooks.lease(
            transaction, webhook_id, now, until=now + LEASE_DURATION, limit=BATCH_SIZE
        )

    webhook, leased = runtime.database.run(work)
    if webhook is None:
        return 0
    secret = runtime.open_envelope(webhook.secret, webhook.id.encode())
    failed: WebhookEvent | None = None
    for notification in leased:
        if failed is None:
            concluded = _after_attempt(
                notification, _post(runtime, client, webhook, secret, notification), now
            )
            failed = concluded if concluded.status is not WebhookEventStatus.DELIVERED else None
        else:
            waits = (
                failed.due_at
                if failed.status is WebhookEventStatus.PENDING
                else now + RETRY_DELAYS[0]
            )
            concluded = replace(notification, attempts=notification.attempts - 1, due_at=waits)
        _record(runtime, concluded)
    return len(leased)


def _record(runtime: Runtime, event: WebhookEvent) -> None:
    runtime.database.run(lambda transaction: webhooks.record(transaction, event))


def _post(
    runtime: Runtime, client: WebhookClient, webhook: Webhook, secret: bytes, event: WebhookEvent
) -> CallResult:
    named = runtime.keyring.ids.webhook_event.encode(event.key)
    now = runtime.clock.now()
    headers = {
        "content-type": "application/json",
        "webhook-id": named,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signature(secret).sign(named, now, event.body),
    }
    answer = client.post(webhook.url, headers, event.body.encode())
    metrics.WEBHOOK_CALLS.labels("delivered" if answer.is_success else "failed").inc()
    return answer


def _after_attempt(event: WebhookEvent, answer: CallResult, now: datetime) -> WebhookEvent:
    """Return a notification after a try: delivered, to be tried again, or given up."""
    if answer.is_success:
        return replace(event, status=WebhookEventStatus.DELIVERED, response=answer.outcome)
    if event.attempts > len(RETRY_DELAYS) or answer.is_final:
        return replace(event, status=WebhookEventStatus.FAILED, response=answer.outcome)
    waits = RETRY_DELAYS[event.attempts - 1]
    return replace(event, due_at=now + waits, response=answer.outcome)
