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

from consent_tokens import metrics as meters
from consent_tokens.app_context import AppContext
from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.consent.scope import format_time_of_day
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.keys import GrantKey
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.crypto.sealing import open_envelope, seal_envelope
from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.gateways.webhook_client import CallResult
from consent_tokens.relay.message import MessageOutcome, MessageStatus
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


def grant_event(world: AppContext, grant: Grant, by: EndReason | None = None) -> MerchantEvent:
    """Return the news that a grant was given, or that it ended."""
    handle = world.keyring.ids.grant.encode(RowKey(grant.home, grant.number))
    data: dict[str, Any] = {"grant": handle, "state": grant.status.value}
    if by is None:
        data["purposes"] = sorted(grant.scope.purposes)
        return MerchantEvent(grant.merchant_id, WebhookEventType.CONSENT_GRANTED, data)
    return MerchantEvent(grant.merchant_id, WebhookEventType.CONSENT_REVOKED, data)


def grant_changed_event(world: AppContext, grant: Grant) -> MerchantEvent:
    """Return the news that a grant covers more or less now: what, not why."""
    scope = grant.scope
    data = {
        "grant": world.keyring.ids.grant.encode(RowKey(grant.home, grant.number)),
        "state": grant.status.value,
        "purposes": sorted(scope.purposes),
        "max_messages": scope.frequency_cap.limit,
        "per_days": scope.frequency_cap.window.days,
        "from": format_time_of_day(scope.send_window.opens),
        "to": format_time_of_day(scope.send_window.closes),
        "expires_at": scope.ends_at.isoformat(),
    }
    return MerchantEvent(grant.merchant_id, WebhookEventType.CONSENT_CHANGED, data)


def message_event(
    world: AppContext,
    address: RowKey,
    merchant_id: str | None,
    reference: str | None,
    outcome: MessageOutcome | tuple[MessageStatus, str | None],
) -> MerchantEvent:
    """Return the news of what became of a message."""
    state, reason = (
        (outcome.status, outcome.reason) if isinstance(outcome, MessageOutcome) else outcome
    )
    kind = (
        WebhookEventType.MESSAGE_DELIVERED
        if state is MessageStatus.DELIVERED
        else WebhookEventType.MESSAGE_FAILED
    )
    data = {
        "message": world.keyring.ids.message.encode(address),
        "reference": reference,
        "status": state.value,
        "reason": reason,
    }
    return MerchantEvent(merchant_id or "", kind, data)


def enqueue(
    world: AppContext,
    transaction: Transaction,
    merchant_events: Sequence[MerchantEvent],
    now: datetime,
) -> None:
    """Lay news out for the webhooks that want it."""
    if not merchant_events or not world.database.has_journal:
        return
    listening = webhooks.subscribed(transaction, {item.merchant_id for item in merchant_events})
    if listening:
        webhooks.enqueue(
            transaction,
            [
                _webhook_event(world, item, webhook, home, now)
                for item in merchant_events
                for webhook, home in listening
                if item.merchant_id == webhook.merchant_id
                and item.event_type in webhook.event_types
            ],
        )


def _webhook_event(
    world: AppContext, item: MerchantEvent, webhook: Webhook, home: int, now: datetime
) -> WebhookEvent:
    body = {"type": item.event_type.value, "timestamp": now.isoformat(), "data": item.data}
    return WebhookEvent(
        key=RowKey.new(home, world.random.token_bytes(8)),
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
    world: AppContext, merchant_id: str, url: str, event_types: Sequence[str] = ()
) -> tuple[Webhook, str]:
    """Add a webhook; return it with its secret, which is shown this once.

    Raises NotFoundError, or InvalidError if the address could never be called.
    """
    faults: dict[str, list[str]] = {}
    wanted = frozenset(event_types or [kind.value for kind in WebhookEventType])
    parts = urlsplit(url)
    is_address = parts.scheme in {"http", "https"} and parts.hostname and len(url) <= MAX_URL_LENGTH
    if not is_address or parts.username or not url.isascii() or not url.isprintable():
        faults["url"] = ["Must be an https:// address without a name or password in it."]
    elif why := world.webhook_client.refusal(url):
        faults["url"] = [f"Cannot be called: {why}."]
    if unknown := wanted - {kind.value for kind in WebhookEventType}:
        faults["events"] = [f"No such event: {', '.join(sorted(unknown))}."]
    if faults:
        raise InvalidError(faults)
    secret = world.random.token_bytes(SECRET_BYTES)
    webhook_id = f"wh_{encode(world.random.token_bytes(12))}"
    webhook = Webhook(
        id=webhook_id,
        merchant_id=merchant_id,
        url=url,
        event_types=wanted,
        secret=seal_envelope(
            secret,
            GrantKey(world.random.token_bytes(32)),
            world.keyring.wrapping,
            associated_data=webhook_id.encode(),
            nonce=world.random.token_bytes(12),
        ),
        created_at=world.clock.now(),
    )

    def deed(transaction: Transaction) -> None:
        if merchants.find(transaction, merchant_id) is None:
            raise NotFoundError("no such merchant")
        webhooks.add(transaction, webhook)

    world.database.run(deed)
    return webhook, f"whsec_{base64.b64encode(secret).decode()}"


# --- Sending ------------------------------------------------------------------------------------


def deliver(world: AppContext, webhook_id: str) -> int:
    """Send what is due for one webhook, in order, until it is all told or one try fails.

    What comes after a failed try waits as long as that one: a receiver that is away is left alone.
    Returns how many it took.
    """
    now = world.clock.now()

    def deed(transaction: Transaction) -> tuple[Webhook | None, list[WebhookEvent]]:
        webhook = webhooks.find(transaction, webhook_id)
        return webhook, webhooks.lease(
            transaction, webhook_id, now, until=now + LEASE_DURATION, most=BATCH_SIZE
        )

    webhook, taken = world.database.run(deed)
    if webhook is None:
        return 0
    secret = open_envelope(
        webhook.secret, world.keyring.unwrapping, associated_data=webhook.id.encode()
    )
    failed: WebhookEvent | None = None
    for notification in taken:
        if failed is None:
            concluded = _after_attempt(
                notification, _post(world, webhook, secret, notification), now
            )
            failed = concluded if concluded.status is not WebhookEventStatus.DELIVERED else None
        else:
            waits = (
                failed.due_at
                if failed.status is WebhookEventStatus.PENDING
                else now + RETRY_DELAYS[0]
            )
            concluded = replace(notification, attempts=notification.attempts - 1, due_at=waits)
        _record(world, concluded)
    return len(taken)


def _record(world: AppContext, notification: WebhookEvent) -> None:
    world.database.run(lambda transaction: webhooks.record(transaction, notification))


def _post(
    world: AppContext, webhook: Webhook, secret: bytes, notification: WebhookEvent
) -> CallResult:
    named = world.keyring.ids.webhook_event.encode(notification.key)
    now = world.clock.now()
    headers = {
        "content-type": "application/json",
        "webhook-id": named,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signature(secret).sign(named, now, notification.body),
    }
    answer = world.webhook_client.post(webhook.url, headers, notification.body.encode())
    meters.WEBHOOK_CALLS.labels("delivered" if answer.is_success else "failed").inc()
    return answer


def _after_attempt(notification: WebhookEvent, answer: CallResult, now: datetime) -> WebhookEvent:
    """Return a notification after a try: delivered, to be tried again, or given up."""
    if answer.is_success:
        return replace(notification, status=WebhookEventStatus.DELIVERED, response=answer.outcome)
    if notification.attempts > len(RETRY_DELAYS) or answer.is_final:
        return replace(notification, status=WebhookEventStatus.FAILED, response=answer.outcome)
    waits = RETRY_DELAYS[notification.attempts - 1]
    return replace(notification, due_at=now + waits, response=answer.outcome)
