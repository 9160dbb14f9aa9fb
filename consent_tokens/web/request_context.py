"""What a view needs to know about where it stands: the world, and who asks."""

from typing import cast

from flask import current_app, request

from consent_tokens.app_context import World
from consent_tokens.services.submission.group_commit import Gatherer


def world() -> World:
    """Return the world of the app that answers this request."""
    return cast("World", current_app.extensions["consent_tokens"])


def gatherer() -> Gatherer:
    """Return the queue in front of the relay."""
    return cast("Gatherer", current_app.extensions["consent_tokens_gatherer"])


def client_address() -> str:
    """Return the asker's address, as the trusted proxies in front of us tell it."""
    return request.remote_addr or "unknown"
