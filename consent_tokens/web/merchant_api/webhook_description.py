"""The description of webhooks in /openapi.json (OpenAPI 3.1, 4.8.1): a schema for each type."""

from typing import Any, Final

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.relay.message import FAILURES, MessageStatus
from consent_tokens.relay.templates.template import TemplateStatus
from consent_tokens.services.webhooks import WebhookEventType
from consent_tokens.web.merchant_api import examples

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NULLABLE: Final[Schema] = {"type": ["string", "null"]}
TEST: Final[Schema] = {"type": "boolean", "description": "Of what a test key caused."}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
NULLABLE_TIME: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
NUMBER: Final[Schema] = {"type": "integer"}
NULLABLE_NUMBER: Final[Schema] = {"type": ["integer", "null"]}
REQUEST: Final = {"request": NULLABLE, "reference": NULLABLE}
GRANT: Final = {**REQUEST, "grant": TEXT}
PURPOSES: Final[Schema] = {"type": "array", "items": TEXT}  # an enumeration once it is described
CHANGED: Final = {
    "purposes": PURPOSES,
    "max_messages": NUMBER,
    "per_days": NUMBER,
    "from": TEXT,
    "to": TEXT,
    "expires_at": TIME,
}
MESSAGE: Final = {"message": TEXT, "reference": NULLABLE, "reason": NULLABLE}
HEADERS: Final = {
    "webhook-id": "The id of the event; a repeated delivery has the same.",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
    "webhook-signature": "`v1,` and the HMAC-SHA256 of id, timestamp and body (Standard Webhooks).",
}


def _one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


Members = dict[str, Schema]
DATA: Final[dict[WebhookEventType, tuple[str, Members]]] = {
    WebhookEventType.CONSENT_GRANTED: (
        "A consumer agreed.",
        {**GRANT, "status": _one_of(GrantStatus.LIVE), "purposes": PURPOSES},
    ),
    WebhookEventType.CONSENT_DECLINED: (
        "A consumer declined a consent request.",
        {**REQUEST, "status": _one_of("declined")},
    ),
    WebhookEventType.CONSENT_EXPIRED: (
        "Nobody answered a consent request in time.",
        {**REQUEST, "status": _one_of("expired")},
    ),
    WebhookEventType.CONSENT_CHANGED: (
        "A consumer narrowed, paused, resumed or extended a consent, or undid a narrowing.",
        {**GRANT, "status": _one_of(GrantStatus.LIVE, GrantStatus.PAUSED), **CHANGED},
    ),
    WebhookEventType.CONSENT_REVOKED: (
        "A consent ended: delete its token.",
        {**GRANT, "status": _one_of(GrantStatus.REVOKED, GrantStatus.EXPIRED)},
    ),
    WebhookEventType.MESSAGE_DELIVERED: (
        "A message arrived.",
        {**MESSAGE, "status": _one_of(MessageStatus.DELIVERED)},
    ),
    WebhookEventType.MESSAGE_FAILED: (
        "A message did not arrive, or may not have.",
        {**MESSAGE, "status": _one_of(*sorted(FAILURES))},
    ),
    WebhookEventType.COMPLAINT_OPENED: (
        "Consumers complained on a day that is over: how many, about which purpose.",
        {"day": {"type": "string", "format": "date"}, "purpose": NULLABLE, "count": NUMBER},
    ),
    WebhookEventType.TEMPLATE_REVIEWED: (
        "A template was approved, refused, put under another purpose, held, released or withdrawn.",
        {
            "template": TEXT,
            "version": NUMBER,
            "status": _one_of(*TemplateStatus),
            "purpose": TEXT,
            "class": _one_of(*PurposeClass),
            "previous_purpose": TEXT,
            "previous_class": _one_of(*PurposeClass),
            "takes_effect_at": NULLABLE_TIME,
            "reason": NULLABLE,
        },
    ),
    WebhookEventType.MERCHANT_MEASURE: (
        "New texts are held back or go on; or a plan is used up, and more in it is refused.",
        {
            "measure": _one_of("held", "waiting", "resumed", "dropped", "plan_used_up"),
            "subject": TEXT,
            "version": NULLABLE_NUMBER,
            "people": NULLABLE_NUMBER,
            "stops": NULLABLE_NUMBER,
            "messages": NULLABLE_NUMBER,
        },
    ),
}


def describe_webhooks() -> dict[str, Any]:
    """Return the `webhooks` member of an OpenAPI description."""
    purposes = {"type": "array", "items": _one_of(*(each.value for each in Purpose))}
    return {
        kind.value: {"post": _operation(kind, summary, _with_purposes(members, purposes))}
        for kind, (summary, members) in DATA.items()
    }


def _with_purposes(members: Members, purposes: Schema) -> Members:
    """Return members with the catalogue, which is complete only once the settings are read."""
    return {name: purposes if schema is PURPOSES else schema for name, schema in members.items()}


def _operation(kind: WebhookEventType, summary: str, members: Members) -> dict[str, Any]:
    content = {"schema": _body(kind, members), "example": _example(kind, members)}
    return {
        "operationId": f"on_{kind.value.replace('.', '_')}",
        "tags": ["webhooks"],
        "summary": summary,
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": TEXT, "description": words}
            for name, words in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "2XX": {"description": "It was taken."},
            "410": {"description": "It is not sent again."},
            "default": {"description": "It is sent again later."},
        },
    }


def _body(kind: WebhookEventType, members: Members) -> Schema:
    data = _object(members)
    return _object({"type": {"const": kind.value}, "timestamp": TIME, "data": data, "test": TEST})


def _object(members: Members) -> Schema:
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


def _example(kind: WebhookEventType, members: Members) -> dict[str, Any]:
    known = {
        **examples.SCOPE,
        **examples.COMPLAINTS,
        "request": examples.REQUEST_ID,
        "reference": "customer-8812",
        "grant": examples.GRANT_ID,
        "message": examples.MESSAGE_ID,
        "template": examples.TEMPLATE_ID,
        "version": 1,
        "purpose": "orders.updates",
        "class": "transactional",
        "previous_purpose": "orders.updates",
        "previous_class": "transactional",
        "takes_effect_at": None,
        "reason": None,
        "measure": "held",
        "subject": examples.TEMPLATE_ID,
        "people": 1000,
        "stops": 31,
        "messages": None,
    }
    data = {
        name: schema["enum"][0] if name == "status" else known[name]
        for name, schema in members.items()
    }
    timestamp = "2026-11-11T00:00:00+00:00"
    return {"type": kind.value, "timestamp": timestamp, "data": data, "test": False}
