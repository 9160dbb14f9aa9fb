"""The webhooks that a merchant manages, by the API and in the console.

Each change is an event of the merchant, whose actor is the API key or the person.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from consent_tokens.errors import ConflictError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.gateways.webhook_client import WebhookClient
from consent_tokens.relay.sandbox import owner_id, sandbox_id
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.sandboxes import ensure_sandbox
from consent_tokens.services.webhooks import (
    SECRET_BYTES,
    format_secret,
    new_webhook,
    record,
    release_some,
)
from consent_tokens.store import webhooks
from consent_tokens.store.database import Transaction
from consent_tokens.store.webhooks import Webhook

__all__ = ["Webhook"]

SECRET_OVERLAP: Final = timedelta(hours=24)  # in which the previous secret signs too
MAX_WEBHOOKS: Final = 20  # of a merchant, where it registers them itself


def list_own(runtime: Runtime, merchant_id: str) -> list[Webhook]:
    """Return a merchant's webhooks, the oldest first."""
    return runtime.database.read(lambda transaction: webhooks.of_merchant(transaction, merchant_id))


def list_with_sandbox(runtime: Runtime, merchant_id: str) -> list[Webhook]:
    """Return the webhooks of a merchant and of its sandbox."""
    return [
        *list_own(runtime, merchant_id),
        *list_own(runtime, sandbox_id(merchant_id)),
    ]


def get_with_sandbox(runtime: Runtime, merchant_id: str, webhook_id: str) -> Webhook:
    """Return a webhook of a merchant or of its sandbox. Raises NotFoundError."""
    found = runtime.database.read(lambda transaction: webhooks.find(transaction, webhook_id))
    if found is None or owner_id(found.merchant_id) != merchant_id:
        raise NotFoundError("no webhook of that id")
    return found


def get_own(runtime: Runtime, merchant_id: str, webhook_id: str) -> Webhook:
    """Return a merchant's webhook. Raises NotFoundError."""
    return runtime.database.read(lambda transaction: _find(transaction, merchant_id, webhook_id))


def register(
    runtime: Runtime, transaction: Transaction, webhook: Webhook, *, actor_id: str
) -> Webhook:
    """Store a new webhook. Raises ConflictError if the merchant has MAX_WEBHOOKS."""
    if len(webhooks.of_merchant(transaction, webhook.merchant_id)) >= MAX_WEBHOOKS:
        raise ConflictError(f"there are {MAX_WEBHOOKS} webhooks already")
    webhooks.add(transaction, webhook)
    record(runtime, transaction, webhook, EventKind.WEBHOOK_ADDED, actor_id)
    return webhook


def add_as_person(  # noqa: PLR0913 - who adds what for whom
    runtime: Runtime,
    client: WebhookClient,
    merchant_id: str,
    actor_id: str,
    url: str,
    event_types: Sequence[str],
    *,
    is_test: bool,
) -> tuple[Webhook, str]:
    """Add a webhook as a person of the merchant, for its sandbox if it `is_test`.

    Returns it with its secret, which is shown only once. Raises as `new_webhook` and `register`.
    """
    owner = sandbox_id(merchant_id) if is_test else merchant_id
    webhook, secret = new_webhook(runtime, client, owner, url, event_types)

    def work(transaction: Transaction) -> Webhook:
        if is_test:
            ensure_sandbox(runtime, transaction, merchant_id)
        return register(runtime, transaction, webhook, actor_id=actor_id)

    return runtime.database.run(work), secret


def rotate_secret(
    runtime: Runtime,
    transaction: Transaction,
    merchant_id: str,
    webhook_id: str,
    *,
    actor_id: str,
) -> tuple[Webhook, str]:
    """Give a webhook a new secret; return it with the secret, which is shown only once.

    The previous one signs too for SECRET_OVERLAP (Standard Webhooks, several signatures); one
    before it, not any more. Raises NotFoundError.
    """
    found = _find(transaction, merchant_id, webhook_id)
    secret = runtime.random.token_bytes(SECRET_BYTES)
    envelope = runtime.seal_envelope(secret, webhook_id.encode())
    until = runtime.clock.now() + SECRET_OVERLAP
    webhooks.rotate_secret(transaction, webhook_id, envelope, previous_until=until)
    record(runtime, transaction, found, EventKind.WEBHOOK_SECRET_ROTATED, actor_id)
    return _find(transaction, merchant_id, webhook_id), format_secret(secret)


def pause(
    runtime: Runtime, transaction: Transaction, merchant_id: str, webhook_id: str, *, actor_id: str
) -> None:
    """Deliver nothing to a webhook until it is resumed: events wait, as long as they are kept.

    Raises NotFoundError, and ConflictError if it is paused.
    """
    found = _find(transaction, merchant_id, webhook_id)
    if not webhooks.set_paused(transaction, webhook_id, runtime.clock.now()):
        raise ConflictError("the webhook is paused already")
    record(runtime, transaction, found, EventKind.WEBHOOK_PAUSED, actor_id)


def resume(
    runtime: Runtime, transaction: Transaction, merchant_id: str, webhook_id: str, *, actor_id: str
) -> None:
    """Deliver what waits for a paused webhook. Raises NotFoundError, ConflictError.

    The first held events are released here, and the others as these are delivered.
    """
    found = _find(transaction, merchant_id, webhook_id)
    if not webhooks.set_paused(transaction, webhook_id, None):
        raise ConflictError("the webhook is not paused")
    release_some(transaction, webhook_id, runtime.clock.now())
    record(runtime, transaction, found, EventKind.WEBHOOK_RESUMED, actor_id)


def remove_own(
    runtime: Runtime, transaction: Transaction, merchant_id: str, webhook_id: str, *, actor_id: str
) -> Webhook:
    """Remove a merchant's webhook, and the events that wait for it. Raises NotFoundError."""
    found = _find(transaction, merchant_id, webhook_id)
    webhooks.remove(transaction, webhook_id)
    record(runtime, transaction, found, EventKind.WEBHOOK_REMOVED, actor_id)
    return found


def remove(runtime: Runtime, webhook_id: str, *, actor_id: str) -> None:
    """Remove a webhook as the operator, as `remove_own`. Raises NotFoundError."""

    def work(transaction: Transaction) -> None:
        found = webhooks.find(transaction, webhook_id)
        if found is None:
            raise NotFoundError("no webhook of that id")
        remove_own(runtime, transaction, found.merchant_id, webhook_id, actor_id=actor_id)

    runtime.database.run(work)


def _find(transaction: Transaction, merchant_id: str, webhook_id: str) -> Webhook:
    found = webhooks.find(transaction, webhook_id)
    if found is None or found.merchant_id != merchant_id:
        raise NotFoundError("no webhook of that id")
    return found
