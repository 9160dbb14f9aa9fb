"""What a view needs to know about the request it answers: the app's context, and the client."""

from typing import cast

from flask import current_app, request

from consent_tokens.app_context import AppContext
from consent_tokens.services.runtime import Runtime

EXTENSION = "consent_tokens"  # under which the app keeps its context


def app_context() -> AppContext:
    """Return the context of the app that answers this request."""
    return cast("AppContext", current_app.extensions[EXTENSION])


def runtime() -> Runtime:
    """Return the runtime, which every service takes."""
    return app_context().runtime


def client_ip() -> str:
    """Return the client's address, as the trusted proxies in front of us give it."""
    return request.remote_addr or "unknown"
