"""Webhooks: notify merchants of changes to their consents and messages.

Events are formatted and signed as by Standard Webhooks: `{"type", "timestamp", "data"}`. They are
enqueued in the transaction that causes them, and delivered afterwards, at least once.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from standardwebhooks import Webhook as Signature

from consent_tokens import metrics
from consent_tokens.clock import start_of_day
from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.consent.request import ConsentRequest, RequestStatus
from consent_tokens.consent.scope import format_time_of_day
from consent_tokens.crypto.encoding import encode
from consent_tokens.errors import InvalidError
from consent_tokens.evidence.complaints import ComplaintGroup
from consent_tokens.evidence.events import EventKind
from consent_tokens.gateways.webhook_client import CallResult, WebhookClient, WebhookRequest
from consent_tokens.relay.decision import class_of
from consent_tokens.relay.message import MessageOutcome, MessageStatus
from consent_tokens.relay.pacing import Pacing
from consent_tokens.relay.plan import Plan
from consent_tokens.relay.sandbox import is_sandbox
from consent_tokens.relay.templates.template import Template, TemplateStatus
from consent_tokens.row_key import RowKey
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import requests, webhooks
from consent_tokens.store.database import Transaction
from consent_tokens.store.webhooks import Webhook, WebhookEvent, WebhookEventStatus

# between attempts (Standard Webhooks, "Deliverability and reliability")
RETRY_DELAYS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
LEASE_DURATION: Final = timedelta(seconds=300)  # after which another worker may deliver the events
BATCH_SIZE: Final = 100  # events per lease: all are tried before it ends, however slow they are
# held events that are released at a time: more than a lease takes, so that some stay due while
# any is held, and a worker comes back to this webhook
RELEASE_SIZE: Final = 2 * BATCH_SIZE
MAX_CONCURRENT_POSTS: Final = 8  # to one webhook
RETENTION: Final = timedelta(days=30)  # of events, delivered or not
MAX_SPREAD: Final = timedelta(hours=1)  # of the events of one act that touches several merchants
MAX_URL_LENGTH: Final = 2000  # characters
SECRET_BYTES: Final = 32


class WebhookEventType(StrEnum):
    """The types of events that a webhook may subscribe to."""

    CONSENT_GRANTED = "consent.granted"
    CONSENT_DECLINED = "consent.declined"
    CONSENT_EXPIRED = "consent.expired"
    CONSENT_REVOKED = "consent.revoked"
    CONSENT_CHANGED = "consent.changed"
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_FAILED = "message.failed"
    COMPLAINT_OPENED = "complaint.opened"
    TEMPLATE_REVIEWED = "template.reviewed"
    MERCHANT_MEASURE = "merchant.measure"


# of which merchants are shown the day and not the time (promise 5)
SHOWN_BY_DAY: Final = frozenset(
    {
        WebhookEventType.CONSENT_GRANTED,
        WebhookEventType.CONSENT_DECLINED,
        WebhookEventType.CONSENT_EXPIRED,
        WebhookEventType.CONSENT_REVOKED,
        WebhookEventType.CONSENT_CHANGED,
        WebhookEventType.COMPLAINT_OPENED,
    }
)


@dataclass(frozen=True, slots=True)
class MerchantEvent:
    """An event for a merchant. It contains no ids but those of the merchant's own objects."""

    merchant_id: str
    event_type: WebhookEventType
    data: Mapping[str, Any]
    grant_key: RowKey | None = None  # of the grant whose `request` and `reference` are added


def request_event(runtime: Runtime, request: ConsentRequest) -> MerchantEvent:
    """Return the event that a consent request was declined, or expired without an answer."""
    is_declined = request.status is RequestStatus.DECLINED
    kind = WebhookEventType.CONSENT_DECLINED if is_declined else WebhookEventType.CONSENT_EXPIRED
    data = {**_request_members(runtime, request), "status": request.status.value}
    return MerchantEvent(request.merchant_id, kind, data)


def grant_event(
    runtime: Runtime,
    grant: Grant,
    reason: EndReason | None = None,
    replaced_by: Grant | None = None,
) -> MerchantEvent:
    """Return the event that a grant was given, or, with a `reason`, that it ended.

    One that ended because of a newer consent to the same merchant names that, as `replaced_by`.
    """
    public_id = runtime.ids.grant.encode(grant.key)
    data: dict[str, Any] = {"grant": public_id, "status": grant.status.value}
    if reason is None:
        data["purposes"] = sorted(grant.scope.purposes)
        return MerchantEvent(grant.merchant_id, WebhookEventType.CONSENT_GRANTED, data, grant.key)
    if replaced_by is not None:
        data["replaced_by"] = runtime.ids.grant.encode(replaced_by.key)
    return MerchantEvent(grant.merchant_id, WebhookEventType.CONSENT_REVOKED, data, grant.key)


def grant_changed_event(runtime: Runtime, grant: Grant) -> MerchantEvent:
    """Return the event that a grant's scope or status changed, with both as they are now."""
    scope = grant.scope
    data = {
        "grant": runtime.ids.grant.encode(grant.key),
        "status": grant.status.value,
        "purposes": sorted(scope.purposes),
        "max_messages": scope.frequency_cap.limit,
        "per_days": scope.frequency_cap.window.days,
        "from": format_time_of_day(scope.send_window.opens),
        "to": format_time_of_day(scope.send_window.closes),
        "expires_at": scope.ends_at.isoformat(),
    }
    return MerchantEvent(grant.merchant_id, WebhookEventType.CONSENT_CHANGED, data, grant.key)


def message_status_event(
    runtime: Runtime,
    key: RowKey,
    merchant_id: str | None,
    reference: str | None,
    outcome: MessageOutcome | tuple[MessageStatus, str | None],
) -> MerchantEvent:
    """Return the event that a message was delivered or failed.

    `outcome` is the dispatcher's, or the status and reason of a delivery report.
    """
    status, reason = (
        (outcome.status, outcome.reason) if isinstance(outcome, MessageOutcome) else outcome
    )
    kind = (
        WebhookEventType.MESSAGE_DELIVERED
        if status is MessageStatus.DELIVERED
        else WebhookEventType.MESSAGE_FAILED
    )
    data = {
        "message": runtime.ids.message.encode(key),
        "reference": reference,
        "status": status.value,
        "reason": reason,
    }
    return MerchantEvent(merchant_id or "", kind, data)


def complaint_events(groups: Iterable[ComplaintGroup]) -> list[MerchantEvent]:
    """Return an event for each merchant, day and purpose: how many complaints were filed."""
    counts: Counter[tuple[str, date, str | None]] = Counter()
    for each in groups:
        counts[each.merchant_id, each.day, each.purpose] += each.count
    return [
        MerchantEvent(
            merchant_id,
            WebhookEventType.COMPLAINT_OPENED,
            {"day": day.isoformat(), "purpose": purpose, "count": count},
        )
        for (merchant_id, day, purpose), count in counts.items()
    ]


def template_event(
    template: Template,
    status: TemplateStatus,
    reason: str | None,
    previous_purpose: str,
    takes_effect_at: datetime | None = None,
) -> MerchantEvent:
    """Return the event that a version of a template was reviewed, held, released or withdrawn.

    With `takes_effect_at` its purpose is `previous_purpose` until then.
    """
    data = {
        "template": template.id,
        "version": template.version,
        "status": status.value,
        "purpose": template.purpose,
        "class": class_of(template.purpose).value,
        "previous_purpose": previous_purpose,
        "previous_class": class_of(previous_purpose).value,
        "takes_effect_at": takes_effect_at.isoformat() if takes_effect_at else None,
        "reason": reason,
    }
    return MerchantEvent(template.merchant_id, WebhookEventType.TEMPLATE_REVIEWED, data)


def measure_event(pacing: Pacing, kind: EventKind) -> MerchantEvent:
    """Return the event that pacing holds a template or a sender's free texts back, or lets them go.

    Complaints are not counted in it: merchants see those by the day.
    """
    data = {
        "measure": kind.value.removeprefix("pacing_"),
        "subject": pacing.subject_id,
        "version": pacing.version,
        "people": pacing.seen.people,
        "stops": pacing.seen.stops,
        "messages": None,
    }
    return MerchantEvent(pacing.merchant_id, WebhookEventType.MERCHANT_MEASURE, data)


def plan_event(plan: Plan) -> MerchantEvent:
    """Return the event that a plan is used up, so that more messages in it are refused."""
    data = {
        "measure": "plan_used_up",
        "subject": plan.id,
        "version": None,
        "people": None,
        "stops": None,
        "messages": plan.messages,
    }
    return MerchantEvent(plan.merchant_id, WebhookEventType.MERCHANT_MEASURE, data)


def enqueue(
    runtime: Runtime,
    transaction: Transaction,
    merchant_events: Sequence[MerchantEvent],
    now: datetime,
    *,
    is_spread: bool = False,
) -> None:
    """Enqueue merchants' events for the webhooks that subscribe to them.

    With `is_spread` each event leaves at a random time of its own within MAX_SPREAD, so that
    merchants who compare theirs cannot see that one act of a consumer caused them (promise 5).
    """
    if not merchant_events:
        return
    subscribed = webhooks.subscribed(transaction, {each.merchant_id for each in merchant_events})
    if subscribed:
        merchant_events = _with_requests(runtime, transaction, merchant_events)
        webhooks.enqueue(
            transaction,
            [
                _webhook_event(runtime, event, webhook, partition, now, is_spread=is_spread)
                for event in merchant_events
                for webhook, partition in subscribed
                if event.merchant_id == webhook.merchant_id
                and event.event_type in webhook.event_types
            ],
        )


def _with_requests(
    runtime: Runtime, transaction: Transaction, merchant_events: Sequence[MerchantEvent]
) -> list[MerchantEvent]:
    """Return events about grants with the merchant's own request and reference."""
    keys = [each.grant_key for each in merchant_events if each.grant_key]
    asked = requests.of_grants(transaction, keys) if keys else {}
    return [
        replace(each, data={**_request_members(runtime, asked.get(each.grant_key)), **each.data})
        if each.grant_key
        else each
        for each in merchant_events
    ]


def _request_members(runtime: Runtime, request: ConsentRequest | None) -> dict[str, Any]:
    if request is None:
        return {"request": None, "reference": None}
    public_id = runtime.ids.request.encode(request.key)
    return {"request": public_id, "reference": request.terms.reference}


def _webhook_event(
    runtime: Runtime,
    event: MerchantEvent,
    webhook: Webhook,
    partition: int,
    now: datetime,
    *,
    is_spread: bool,
) -> WebhookEvent:
    is_by_day = is_spread or event.event_type in SHOWN_BY_DAY
    timestamp = (start_of_day(now) if is_by_day else now).isoformat()
    body = {
        "type": event.event_type.value,
        "timestamp": timestamp,
        "data": event.data,
        "test": is_sandbox(event.merchant_id),
    }
    return WebhookEvent(
        key=runtime.new_key(partition),
        merchant_id=event.merchant_id,
        webhook_id=webhook.id,
        event_type=event.event_type.value,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        status=WebhookEventStatus.PENDING,
        attempts=0,
        due_at=now + _random_delay(runtime) if is_spread else now,
        created_at=now,
    )


def _random_delay(runtime: Runtime) -> timedelta:
    """Return a delay of less than MAX_SPREAD, in whole seconds."""
    return timedelta(seconds=runtime.random.randbelow(int(MAX_SPREAD.total_seconds())))


# --- Registration by the operator ---------------------------------------------------------------


def add_webhook(
    runtime: Runtime,
    client: WebhookClient,
    merchant_id: str,
    url: str,
    event_types: Sequence[str] = (),
    *,
    actor_id: str | None = None,
) -> tuple[Webhook, str]:
    """Add a webhook as the operator; return it with its secret, which is shown only once.

    Raises as `new_webhook`, and NotFoundError if there is no such merchant.
    """
    webhook, secret = new_webhook(runtime, client, merchant_id, url, event_types)

    def work(transaction: Transaction) -> None:
        get_merchant(transaction, merchant_id)
        webhooks.add(transaction, webhook)
        record(runtime, transaction, webhook, EventKind.WEBHOOK_ADDED, actor_id)

    runtime.database.run(work)
    return webhook, secret


def record(
    runtime: Runtime,
    transaction: Transaction,
    webhook: Webhook,
    kind: EventKind,
    actor_id: str | None,
) -> None:
    """Record what was done to a webhook, in the partition of its merchant."""
    merchant = get_merchant(transaction, webhook.merchant_id)
    record_event(runtime, transaction, merchant, kind, webhook.id, actor_id)


def new_webhook(
    runtime: Runtime,
    client: WebhookClient,
    merchant_id: str,
    url: str,
    event_types: Sequence[str],
) -> tuple[Webhook, str]:
    """Return a new webhook with its secret; nothing is stored.

    `event_types` are those it subscribes to; all if empty. Raises InvalidError if an event type is
    unknown or the URL may not be called.
    """
    if errors := _webhook_errors(client, url, event_types):
        raise InvalidError(errors)
    secret = runtime.random.token_bytes(SECRET_BYTES)
    webhook_id = f"wh_{encode(runtime.random.token_bytes(12))}"
    webhook = Webhook(
        id=webhook_id,
        merchant_id=merchant_id,
        url=url,
        event_types=frozenset(event_types or [kind.value for kind in WebhookEventType]),
        secret=runtime.seal_envelope(secret, webhook_id.encode()),
        created_at=runtime.clock.now(),
    )
    return webhook, format_secret(secret)


def format_secret(secret: bytes) -> str:
    """Return a secret as Standard Webhooks writes it."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def _webhook_errors(
    client: WebhookClient, url: str, event_types: Sequence[str]
) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    if not _is_plain_url(url):
        errors["url"] = ["Must be an https:// URL without a user name or password."]
    elif why := client.refusal(url):
        errors["url"] = [f"Cannot be called: {why}."]
    if unknown := set(event_types) - {kind.value for kind in WebhookEventType}:
        errors["events"] = [f"No such event: {', '.join(sorted(unknown))}."]
    return errors


def _is_plain_url(url: str) -> bool:
    """Whether a text is an http or https URL without a user."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_url = parts.scheme in {"http", "https"} and parts.hostname and not parts.username
    return bool(is_url) and len(url) <= MAX_URL_LENGTH and url.isascii() and url.isprintable()


# --- Delivery -----------------------------------------------------------------------------------


def due_webhooks(runtime: Runtime) -> list[tuple[str, str]]:
    """Return the webhooks that have a due event, each as its id and its merchant's."""
    now = runtime.clock.now()
    return runtime.database.read(lambda transaction: webhooks.due(transaction, now))


def deliver(runtime: Runtime, client: WebhookClient, webhook_id: str) -> int:
    """Deliver up to BATCH_SIZE due events of a webhook; return how many were leased or held.

    Those of a paused webhook are held. Held ones of one that was resumed are released first.
    The first is posted alone, the others MAX_CONCURRENT_POSTS at a time. After a failed attempt the
    rest of the batch is not attempted, and waits as long as that event.
    """
    now = runtime.clock.now()

    def work(transaction: Transaction) -> tuple[Webhook | None, list[WebhookEvent], int]:
        webhook = webhooks.find(transaction, webhook_id)
        if webhook and webhook.paused_at:
            return None, [], _hold(transaction, webhook_id, now)
        if webhooks.has_held(transaction, webhook_id):
            release_some(transaction, webhook_id, now)
        until = now + LEASE_DURATION
        leased = webhooks.lease(transaction, webhook_id, now, until=until, limit=BATCH_SIZE)
        return webhook, leased, 0

    webhook, leased, held = runtime.database.run(work)
    if webhook is None or not leased:
        return held
    signatures = _signatures(runtime, webhook, now)
    begin, end = 0, 1
    while begin < len(leased):
        results = _post(runtime, client, webhook, signatures, leased[begin:end])
        attempted = [
            _after_attempt(event, result, now)
            for event, result in zip(leased[begin:end], results, strict=True)
        ]
        failed = next(
            (each for each in attempted if each.status is not WebhookEventStatus.DELIVERED), None
        )
        begin, end = end, end + MAX_CONCURRENT_POSTS
        if failed:
            attempted += [_postponed(event, failed, now) for event in leased[begin:]]
            begin = len(leased)
        _record(runtime, attempted)
    return len(leased)


def _hold(transaction: Transaction, webhook_id: str, now: datetime) -> int:
    """Hold due events of a webhook, unless it was resumed meanwhile; return how many."""
    webhook = webhooks.lock(transaction, webhook_id)
    if webhook and webhook.paused_at:
        return webhooks.hold_due(transaction, webhook_id, now, BATCH_SIZE)
    return 0


def release_some(transaction: Transaction, webhook_id: str, now: datetime) -> None:
    """Release held events of a webhook, unless it was paused meanwhile."""
    webhook = webhooks.lock(transaction, webhook_id)
    if webhook and not webhook.paused_at:
        webhooks.release_held(transaction, webhook_id, now, RELEASE_SIZE)


def _record(runtime: Runtime, events: Sequence[WebhookEvent]) -> None:
    runtime.database.run(lambda transaction: webhooks.record(transaction, events))


def _post(
    runtime: Runtime,
    client: WebhookClient,
    webhook: Webhook,
    signatures: Sequence[Signature],
    events: Sequence[WebhookEvent],
) -> list[CallResult]:
    """Post events side by side; return their results in the same order."""
    signed = [_signed(runtime, signatures, event) for event in events]
    results = client.post_all(webhook.url, signed)
    for result in results:
        metrics.WEBHOOK_CALLS.labels("delivered" if result.is_success else "failed").inc()
    return results


def _signatures(runtime: Runtime, webhook: Webhook, now: datetime) -> list[Signature]:
    """Return what signs a webhook's events: its secret, and the previous one while it counts."""
    secrets = [webhook.secret]
    until = webhook.previous_until
    if webhook.previous_secret is not None and until is not None and now < until:
        secrets.append(webhook.previous_secret)
    return [Signature(runtime.open_envelope(each, webhook.id.encode())) for each in secrets]


def _signed(
    runtime: Runtime, signatures: Sequence[Signature], event: WebhookEvent
) -> WebhookRequest:
    event_id = runtime.ids.webhook_event.encode(event.key)
    now = runtime.clock.now()
    headers = {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(each.sign(event_id, now, event.body) for each in signatures),
    }
    return WebhookRequest(headers, event.body.encode())


def _after_attempt(event: WebhookEvent, result: CallResult, now: datetime) -> WebhookEvent:
    """Return an event after an attempt: delivered, failed for good, or due again later."""
    if result.is_success:
        return replace(event, status=WebhookEventStatus.DELIVERED, response=result.outcome)
    if event.attempts > len(RETRY_DELAYS) or result.is_final:
        return replace(event, status=WebhookEventStatus.FAILED, response=result.outcome)
    delay = RETRY_DELAYS[event.attempts - 1]
    return replace(event, due_at=now + delay, response=result.outcome)


def _postponed(event: WebhookEvent, failed: WebhookEvent, now: datetime) -> WebhookEvent:
    """Return an event that was not attempted because an earlier one failed."""
    is_retried = failed.status is WebhookEventStatus.PENDING
    due_at = failed.due_at if is_retried else now + RETRY_DELAYS[0]
    return replace(event, attempts=event.attempts - 1, due_at=due_at)
