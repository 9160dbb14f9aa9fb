"""The OpenAPI text of the merchant API: schemas from marshmallow, calls from the table below."""

from functools import lru_cache
from typing import Any, Final

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

from consent_tokens.web.merchant_api.schemas import (
    AcceptedView,
    BatchSchema,
    BatchView,
    ComplaintList,
    ConsentRequestSchema,
    GrantList,
    GrantView,
    IntrospectionView,
    MessageList,
    MessageSchema,
    MessageView,
    ProblemView,
    RequestView,
    TokenSchema,
    TokenView,
)

ID: Final = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
CURSOR: Final = {"name": "cursor", "in": "query", "schema": {"type": "string"}}
LIMIT: Final = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
}
REFERENCE: Final = {
    "name": "reference",
    "in": "query",
    "required": True,
    "schema": {"type": "string", "maxLength": 100},
}
IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same request is done once and answered the same, for 24 "
    "hours; with another request it is refused.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}

Operation = tuple[
    str, str, str, type[Schema] | None, int, type[Schema] | None, list[dict[str, Any]]
]

# path, method, summary, body, status, answer, parameters
OPERATIONS: Final[tuple[Operation, ...]] = (
    ("/v1/consent-requests", "post", "Ask one consumer for consent",
     ConsentRequestSchema, 201, RequestView, [IDEMPOTENCY_KEY]),
    ("/v1/consent-requests/{id}", "get", "Look at a consent request",
     None, 200, RequestView, [ID]),
    ("/v1/consent-requests/{id}/token", "post",
     "Fetch the consent token, within 24 hours of the yes",
     None, 200, TokenView, [ID, IDEMPOTENCY_KEY]),
    ("/v1/grants", "get", "List your own grants", None, 200, GrantList, [CURSOR, LIMIT]),
    ("/v1/grants/{id}", "get", "Look at a grant", None, 200, GrantView, [ID]),
    ("/v1/tokens/introspect", "post", "Introspect a token (RFC 7662)",
     TokenSchema, 200, IntrospectionView, [IDEMPOTENCY_KEY]),
    ("/v1/tokens/renew", "post", "Renew a live token",
     TokenSchema, 200, TokenView, [IDEMPOTENCY_KEY]),
    ("/v1/tokens/revoke", "post", "Let go of a grant (RFC 7009)",
     TokenSchema, 200, None, [IDEMPOTENCY_KEY]),
    ("/v1/messages", "post", "Hand in a message",
     MessageSchema, 202, AcceptedView, [IDEMPOTENCY_KEY]),
    ("/v1/messages", "get", "List the messages of one reference",
     None, 200, MessageList, [REFERENCE, CURSOR, LIMIT]),
    ("/v1/messages/batch", "post", "Hand in up to 1000 messages",
     BatchSchema, 200, BatchView, [IDEMPOTENCY_KEY]),
    ("/v1/messages/{id}", "get", "Look at a message", None, 200, MessageView, [ID]),
    ("/v1/complaints", "get", "List the complaints about you: that, and why; never who",
     None, 200, ComplaintList, [CURSOR, LIMIT]),
)  # fmt: skip


@lru_cache(maxsize=1)
def describe(base_url: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 text of the service at `base_url`."""
    spec = APISpec(
        title="Consent Tokens",
        version="1",
        openapi_version="3.1.0",
        info={"description": "Consent instead of phone numbers: ask, send, be refused, see why."},
        servers=[{"url": base_url}],
        security=[{"apiKey": []}],
        plugins=[MarshmallowPlugin(schema_name_resolver=_name)],
    )
    spec.components.security_scheme("apiKey", {"type": "http", "scheme": "bearer"})
    for path, method, summary, body, status, answer, parameters in OPERATIONS:
        operation: dict[str, Any] = {
            "summary": summary,
            "parameters": parameters,
            "responses": {
                str(status): {"description": "Done", **_content(answer, "application/json")},
                "default": {
                    "description": "A problem (RFC 9457)",
                    **_content(ProblemView, "application/problem+json"),
                },
            },
        }
        if body:
            operation["requestBody"] = {"required": True, **_content(body, "application/json")}
        spec.path(path=path, operations={method: operation})
    text: dict[str, Any] = spec.to_dict()
    return text


def _content(schema: type[Schema] | None, kind: str) -> dict[str, Any]:
    return {"content": {kind: {"schema": schema}}} if schema else {}


def _name(schema: type[Schema] | Schema) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__.removesuffix("Schema")
