"""`/v1/webhooks`: where the merchant is notified, and the secrets that sign it."""

from typing import Any

from consent_tokens.services import own_webhooks
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.services.webhooks import new_webhook
from consent_tokens.web.merchant_api.blueprint import Answer, ApiBlueprint
from consent_tokens.web.merchant_api.webhook_schemas import (
    SecretWebhook,
    WebhookAnswer,
    WebhookIn,
    WebhookList,
)
from consent_tokens.web.request_context import api_key, app_context, runtime

bp = ApiBlueprint("webhook_urls", "Where you are notified, and the secrets that sign it.")


@bp.post("/webhooks")
@bp.body(WebhookIn())
@bp.answer_once(201, SecretWebhook(), is_of_key=True)
@bp.problems(409)
def create_webhook(merchant_id: str, body: dict[str, Any], answer: Answer) -> ApiResponse:
    """Register a webhook. Its secret is shown this once."""
    client = app_context().webhook_client
    webhook, secret = new_webhook(runtime(), client, merchant_id, body["url"], body["events"])
    actor_id = api_key().id
    return answer.once(
        lambda transaction: (
            own_webhooks.register(runtime(), transaction, webhook, actor_id=actor_id),
            secret,
        )
    )


@bp.get("/webhooks")
@bp.answer(200, WebhookList())
def list_webhooks(merchant_id: str) -> dict[str, Any]:
    """List the merchant's webhooks, the oldest first."""
    return {"items": own_webhooks.list_own(runtime(), merchant_id), "next": None}


@bp.get("/webhooks/<webhook_id>")
@bp.answer(200, WebhookAnswer())
@bp.problems(404)
def get_webhook(merchant_id: str, webhook_id: str) -> Any:  # noqa: ANN401 - the store's own type
    """Return a webhook, without its secret."""
    return own_webhooks.get_own(runtime(), merchant_id, webhook_id)


@bp.post("/webhooks/<webhook_id>/rotate-secret")
@bp.answer_once(200, SecretWebhook(), is_of_key=True)
@bp.problems(404)
def rotate_webhook_secret(merchant_id: str, webhook_id: str, answer: Answer) -> ApiResponse:
    """Give a webhook a new secret; the previous one signs too for 24 hours."""
    return answer.once(
        lambda transaction: own_webhooks.rotate_secret(
            runtime(), transaction, merchant_id, webhook_id, actor_id=api_key().id
        )
    )


@bp.post("/webhooks/<webhook_id>/remove")
@bp.answer_once(200, WebhookAnswer())
@bp.problems(404)
def remove_webhook(merchant_id: str, webhook_id: str, answer: Answer) -> ApiResponse:
    """Remove a webhook, and the events that wait for it."""
    return answer.once(
        lambda transaction: own_webhooks.remove_own(
            runtime(), transaction, merchant_id, webhook_id, actor_id=api_key().id
        )
    )
