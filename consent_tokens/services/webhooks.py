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
from consent_tokens.app_context import World
from consent_tokens.consent.grant import EndedBy, Grant
from consent_tokens.consent.scope import clock_time
from consent_tokens.crypto.encoding import encode
from consent_tokens.crypto.keys import GrantKey
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.crypto.sealing import disclose, enclose
from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.gateways.webhook_client import Answer
from consent_tokens.relay.message import MessageState, Outcome
from consent_tokens.store import merchants, webhooks
from consent_tokens.store.database import Transaction
from consent_tokens.store.webhooks import Notification, NotificationState, Webhook

# after so long each is tried again (Standard Webhooks, "Deliverability and reliability")
WAITS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
HELD_FOR: Final = timedelta(seconds=300)  # by one who sends; a dead sender's are taken by others
AT_ONCE: Final = 20
KEPT: Final = timedelta(days=30)
MOST_URL: Final = 2000
SECRET_BYTES: Final = 32


class News(StrEnum):
    """What a webhook may be told of."""

    CONSENT_GRANTED = "consent.granted"
    CONSENT_REVOKED = "consent.revoked"
    CONSENT_CHANGED = "consent.changed"
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_FAILED = "message.failed"


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of news for a merchant. Names nothing but the merchant's own handles."""

    merchant_id: str
    kind: News
    data: Mapping[str, Any]


def of_grant(world: World, grant: Grant, by: EndedBy | None = None) -> Item:
    """Return the news that a grant was given, or that it ended."""
    handle = world.keyring.handles.grant.hide(Address(grant.home, grant.number))
    data: dict[str, Any] = {"grant": handle, "state": grant.state.value}
    if by is None:
        data["purposes"] = sorted(grant.scope.purposes)
        return Item(grant.merchant_id, News.CONSENT_GRANTED, data)
    return Item(grant.merchant_id, News.CONSENT_REVOKED, data)


def of_change(world: World, grant: Grant) -> Item:
    """Return the news that a grant covers more or less now: what, not why."""
    scope = grant.scope
    data = {
        "grant": world.keyring.handles.grant.hide(Address(grant.home, grant.number)),
        "state": grant.state.value,
        "purposes": sorted(scope.purposes),
        "max_messages": scope.cap.most,
        "per_days": scope.cap.within.days,
        "from": clock_time(scope.hours.opens),
        "to": clock_time(scope.hours.closes),
        "expires_at": scope.ends.isoformat(),
    }
    return Item(grant.merchant_id, News.CONSENT_CHANGED, data)


def of_message(
    world: World,
    address: Address,
    merchant_id: str | None,
    reference: str | None,
    outcome: Outcome | tuple[MessageState, str | None],
) -> Item:
    """Return the news of what became of a message."""
    state, reason = (outcome.state, outcome.reason) if isinstance(outcome, Outcome) else outcome
    kind = News.MESSAGE_DELIVERED if state is MessageState.DELIVERED else News.MESSAGE_FAILED
    data = {
        "message": world.keyring.handles.message.hide(address),
        "reference": reference,
        "status": state.value,
        "reason": reason,
    }
    return Item(merchant_id or "", kind, data)


def announce(world: World, transaction: Transaction, news: Sequence[Item], now: datetime) -> None:
    """Lay news out for the webhooks that want it."""
    if not news or not world.store.has_journal:
        return
    listening = webhooks.listening(transaction, {item.merchant_id for item in news})
    if listening:
        webhooks.lay_out(
            transaction,
            [
                _notification(world, item, webhook, home, now)
                for item in news
                for webhook, home in listening
                if item.merchant_id == webhook.merchant_id and item.kind in webhook.kinds
            ],
        )


def _notification(
    world: World, item: Item, webhook: Webhook, home: int, now: datetime
) -> Notification:
    body = {"type": item.kind.value, "timestamp": now.isoformat(), "data": item.data}
    return Notification(
        address=Address.at(home, world.chance.draw(8)),
        merchant_id=item.merchant_id,
        webhook_id=webhook.id,
        kind=item.kind.value,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        state=NotificationState.WAITING,
        attempts=0,
        due=now,
        made=now,
    )


# --- Webhooks, as the operator admits them ------------------------------------------------------


def add_webhook(
    world: World, merchant_id: str, url: str, kinds: Sequence[str] = ()
) -> tuple[Webhook, str]:
    """Add a webhook; return it with its secret, which is shown this once.

    Raises NotFoundError, or InvalidError if the address could never be called.
    """
    faults: dict[str, list[str]] = {}
    wanted = frozenset(kinds or [kind.value for kind in News])
    parts = urlsplit(url)
    is_address = parts.scheme in {"http", "https"} and parts.hostname and len(url) <= MOST_URL
    if not is_address or parts.username or not url.isascii() or not url.isprintable():
        faults["url"] = ["Must be an https:// address without a name or password in it."]
    elif why := world.caller.refusal(url):
        faults["url"] = [f"Cannot be called: {why}."]
    if unknown := wanted - {kind.value for kind in News}:
        faults["events"] = [f"No such event: {', '.join(sorted(unknown))}."]
    if faults:
        raise InvalidError(faults)
    secret = world.chance.draw(SECRET_BYTES)
    webhook_id = f"wh_{encode(world.chance.draw(12))}"
    webhook = Webhook(
        id=webhook_id,
        merchant_id=merchant_id,
        url=url,
        kinds=wanted,
        secret=enclose(
            secret,
            GrantKey(world.chance.draw(32)),
            world.keyring.wrapping,
            bound_to=webhook_id.encode(),
            nonce=world.chance.draw(12),
        ),
        made=world.clock.now(),
    )

    def deed(transaction: Transaction) -> None:
        if merchants.find(transaction, merchant_id) is None:
            raise NotFoundError("no such merchant")
        webhooks.add(transaction, webhook)

    world.store.run(deed)
    return webhook, f"whsec_{base64.b64encode(secret).decode()}"


# --- Sending ------------------------------------------------------------------------------------


def notify(world: World, webhook_id: str) -> int:
    """Send what is due for one webhook, in order, until it is all told or one try fails.

    What comes after a failed try waits as long as that one: a receiver that is away is left alone.
    Returns how many it took.
    """
    now = world.clock.now()

    def deed(transaction: Transaction) -> tuple[Webhook | None, list[Notification]]:
        webhook = webhooks.find(transaction, webhook_id)
        return webhook, webhooks.take(
            transaction, webhook_id, now, until=now + HELD_FOR, most=AT_ONCE
        )

    webhook, taken = world.store.run(deed)
    if webhook is None:
        return 0
    secret = disclose(webhook.secret, world.keyring.unwrapping, bound_to=webhook.id.encode())
    failed: Notification | None = None
    for notification in taken:
        if failed is None:
            concluded = _after(notification, _call(world, webhook, secret, notification), now)
            failed = concluded if concluded.state is not NotificationState.DELIVERED else None
        else:
            waits = failed.due if failed.state is NotificationState.WAITING else now + WAITS[0]
            concluded = replace(notification, attempts=notification.attempts - 1, due=waits)
        _conclude(world, concluded)
    return len(taken)


def _conclude(world: World, notification: Notification) -> None:
    world.store.run(lambda transaction: webhooks.conclude(transaction, notification))


def _call(world: World, webhook: Webhook, secret: bytes, notification: Notification) -> Answer:
    named = world.keyring.handles.event.hide(notification.address)
    now = world.clock.now()
    headers = {
        "content-type": "application/json",
        "webhook-id": named,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signature(secret).sign(named, now, notification.body),
    }
    answer = world.caller.post(webhook.url, headers, notification.body.encode())
    meters.NOTIFIED.labels("delivered" if answer.is_well else "failed").inc()
    return answer


def _after(notification: Notification, answer: Answer, now: datetime) -> Notification:
    """Return a notification after a try: delivered, to be tried again, or given up."""
    if answer.is_well:
        return replace(notification, state=NotificationState.DELIVERED, answer=answer.said)
    if notification.attempts > len(WAITS) or answer.is_final:
        return replace(notification, state=NotificationState.DEAD, answer=answer.said)
    waits = WAITS[notification.attempts - 1]
    return replace(notification, due=now + waits, answer=answer.said)
