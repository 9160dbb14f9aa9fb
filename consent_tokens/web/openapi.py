"""The OpenAPI description of the merchant API, made of its blueprints by flask-smorest."""

from functools import lru_cache
from typing import Any, Final

import flask_smorest
from flask import Flask

from consent_tokens.consent.purposes import Purpose
from consent_tokens.web.merchant_api import (
    api_keys,
    complaints,
    examples,
    grants,
    link_domains,
    messages,
    plans,
    requests,
    senders,
    templates,
    tokens,
    webhooks,
)
from consent_tokens.web.merchant_api.answers import Problem
from consent_tokens.web.merchant_api.webhook_description import describe_webhooks
from consent_tokens.web.request_context import runtime

BLUEPRINTS: Final = (
    requests.bp,
    grants.bp,
    tokens.bp,
    messages.bp,
    templates.bp,
    senders.bp,
    link_domains.bp,
    plans.bp,
    complaints.bp,
    api_keys.bp,
    webhooks.bp,
)
METHODS: Final = frozenset({"get", "post"})
HEADERS: Final = {
    "X-Request-Id": "The id of the request in the logs of the service.",
    "Location": "Where the new resource is.",
    "Idempotent-Replayed": "`true` if this answer was given before, for the same Idempotency-Key.",
    "RateLimit-Policy": "The rate limit: requests (`q`) in so many seconds (`w`), of key or "
    "merchant.",
    "RateLimit": "What remains of it (`r`), and in how many seconds it is whole again (`t`).",
    "Retry-After": "In how many seconds to try again.",
    "WWW-Authenticate": "How to authenticate (RFC 6750, 3).",
}
HEADERS_OF_STATUS: Final = {
    "201": ("Location",),
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After", "RateLimit-Policy", "RateLimit"),
    "503": ("Retry-After",),
}
DESCRIPTION: Final = "Consent instead of phone numbers: ask for consent, and send under its token."


class _Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest has no types
    """The API; each operation describes its own problems."""

    ERROR_SCHEMA = Problem
    DEFAULT_ERROR_RESPONSE_NAME = None


def describe() -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of this service."""
    return _describe(runtime().service.base_url, tuple(Purpose))


@lru_cache(maxsize=1)
def _describe(base_url: str, _purposes: tuple[Purpose, ...]) -> dict[str, Any]:
    """Describe the blueprints as those of an app of their own, with the purposes of the catalogue.

    As part of the service's app, flask-smorest would answer the HTTP errors of the pages too, and
    describe the API whenever an app is created, which takes 50 ms.
    """
    api = _Api(
        Flask(__name__),
        spec_kwargs={
            "title": "Consent Tokens",
            "version": "1",
            "openapi_version": "3.1.0",
            "info": {"description": DESCRIPTION},
            "servers": [{"url": base_url}],
            "security": [{"apiKey": []}],
        },
    )
    api.spec.components.security_scheme("apiKey", {"type": "http", "scheme": "bearer"})
    for bp in BLUEPRINTS:
        api.register_blueprint(bp)
    description: dict[str, Any] = api.spec.to_dict()
    del description["components"]["schemas"]["PaginationMetadata"]  # flask-smorest's, unused here
    for item in description["paths"].values():
        for method, operation in item.items():
            if method in METHODS:
                _complete(method, operation)
    description["webhooks"] = describe_webhooks()
    description["tags"].append({"name": "webhooks", "description": "What is posted to you."})
    return description


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Add examples and response headers to the description of an operation."""
    operation_id = operation["operationId"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["example"] = examples.REQUESTS[operation_id]
    for status, response in operation["responses"].items():
        is_success = status.startswith("2")
        names = ["X-Request-Id", *HEADERS_OF_STATUS.get(status, ())]
        if is_success and method == "post":
            names.append("Idempotent-Replayed")
        response["headers"] = {
            name: {"schema": {"type": "string"}, "description": HEADERS[name]} for name in names
        }
        if is_success:
            for content in response["content"].values():
                content["example"] = examples.ANSWERS[operation_id]
