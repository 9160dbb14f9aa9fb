"""Schemas of webhooks."""

from typing import Any

from marshmallow import fields, pre_dump, validate

from consent_tokens.services.webhooks import MAX_URL_LENGTH, WebhookEventType
from consent_tokens.web.merchant_api.answers import AnswerSchema
from consent_tokens.web.merchant_api.schemas import Strict

EVENTS = validate.OneOf([each.value for each in WebhookEventType])


class WebhookIn(Strict):
    """A webhook to register."""

    url = fields.String(
        required=True,
        validate=validate.Length(1, MAX_URL_LENGTH),
        metadata={"example": "https://shop.example/hooks"},
    )
    events = fields.List(
        fields.String(validate=EVENTS),
        load_default=list,
        validate=validate.Length(0, len(WebhookEventType)),
        metadata={"description": "Only these; without any, all."},
    )


class WebhookAnswer(AnswerSchema):
    """A webhook, without its secret."""

    id = fields.String(required=True)
    url = fields.String(required=True)
    events = fields.List(fields.String(validate=EVENTS), required=True)
    created_at = fields.DateTime(required=True)
    previous_secret_until = fields.DateTime(
        required=True,
        allow_none=True,
        metadata={"description": "Until when the previous secret signs too."},
    )

    @pre_dump
    def to_members(self, webhook: Any, **_: object) -> dict[str, Any]:  # noqa: ANN401 - the store's own type
        """Return the members."""
        return {
            "id": webhook.id,
            "url": webhook.url,
            "events": sorted(webhook.event_types),
            "created_at": webhook.created_at,
            "previous_secret_until": webhook.previous_until,
        }


class SecretWebhook(WebhookAnswer):
    """A webhook with its new secret, which is shown this once."""

    secret = fields.String(required=True, metadata={"description": "Shown this once."})

    @pre_dump
    def to_members(self, created: Any, **_: object) -> dict[str, Any]:  # noqa: ANN401 - webhook and secret
        """Return the members."""
        webhook, secret = created
        return {**super().to_members(webhook), "secret": secret}


class WebhookList(AnswerSchema):
    """All webhooks of the merchant, the oldest first."""

    items = fields.List(fields.Nested(WebhookAnswer), required=True)
    next = fields.String(required=True, allow_none=True)
