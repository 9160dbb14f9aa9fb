"""The OpenAPI description of the merchant API, made of its blueprints by flask-smorest."""

from typing import Any, Final, cast

import flask_smorest
from flask import Flask, current_app

from consent_tokens.web.merchant_api import complaints, grants, messages, requests, tokens
from consent_tokens.web.merchant_api.answers import Problem

BLUEPRINTS: Final = (requests.bp, grants.bp, tokens.bp, messages.bp, complaints.bp)
EXTENSION: Final = "consent_tokens.openapi"  # under which the app keeps the description
DESCRIPTION: Final = "Consent instead of phone numbers: ask for consent, and send under its token."


class _Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest has no types
    """The API; each operation describes its own problems."""

    ERROR_SCHEMA = Problem
    DEFAULT_ERROR_RESPONSE_NAME = None


def register_api(app: Flask, base_url: str) -> None:
    """Register the operations of the merchant API, and describe the service at `base_url`."""
    api = _Api(
        app,
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
    description = api.spec.to_dict()
    del description["components"]["schemas"]["PaginationMetadata"]  # flask-smorest's, unused here
    app.extensions[EXTENSION] = description


def describe() -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of the app that answers this request."""
    return cast("dict[str, Any]", current_app.extensions[EXTENSION])
