"""The webhooks that a merchant manages over the API; their secrets overlap on rotation."""

from datetime import timedelta
from typing import Final

from consent_tokens.errors import ConflictError, NotFoundError
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.webhooks import SECRET_BYTES, format_secret
from consent_tokens.store import webhooks
from consent_tokens.store.database import Transaction
from consent_tokens.store.webhooks import Webhook

SECRET_OVERLAP: Final = timedelta(hours=24)  # in which the previous secret signs too
MAX_WEBHOOKS: Final = 20  # of a merchant, where it registers them itself


def list_own(runtime: Runtime, merchant_id: str) -> list[Webhook]:
    """Return a merchant's webhooks, the oldest first."""
    return runtime.database.read(lambda transaction: webhooks.of_merchant(transaction, merchant_id))


def get_own(runtime: Runtime, merchant_id: str, webhook_id: str) -> Webhook:
    """Return a merchant's webhook. Raises NotFoundError."""
    return runtime.database.read(lambda transaction: _find(transaction, merchant_id, webhook_id))


def register(transaction: Transaction, webhook: Webhook) -> Webhook:
    """Store a new webhook. Raises ConflictError if the merchant has MAX_WEBHOOKS."""
    if len(webhooks.of_merchant(transaction, webhook.merchant_id)) >= MAX_WEBHOOKS:
        raise ConflictError(f"there are {MAX_WEBHOOKS} webhooks already")
    webhooks.add(transaction, webhook)
    return webhook


def rotate_secret(
    runtime: Runtime, transaction: Transaction, merchant_id: str, webhook_id: str
) -> tuple[Webhook, str]:
    """Give a webhook a new secret; return it with the secret, which is shown only once.

    The previous one signs too for SECRET_OVERLAP (Standard Webhooks, several signatures); one
    before it, not any more. Raises NotFoundError.
    """
    _find(transaction, merchant_id, webhook_id)
    secret = runtime.random.token_bytes(SECRET_BYTES)
    envelope = runtime.seal_envelope(secret, webhook_id.encode())
    until = runtime.clock.now() + SECRET_OVERLAP
    webhooks.rotate_secret(transaction, webhook_id, envelope, previous_until=until)
    return _find(transaction, merchant_id, webhook_id), format_secret(secret)


def remove_own(transaction: Transaction, merchant_id: str, webhook_id: str) -> Webhook:
    """Remove a merchant's webhook, and the events that wait for it. Raises NotFoundError."""
    found = _find(transaction, merchant_id, webhook_id)
    webhooks.remove(transaction, webhook_id)
    return found


def _find(transaction: Transaction, merchant_id: str, webhook_id: str) -> Webhook:
    found = webhooks.find(transaction, webhook_id)
    if found is None or found.merchant_id != merchant_id:
        raise NotFoundError("no webhook of that id")
    return found
