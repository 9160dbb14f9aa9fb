"""What a view needs to know about where it stands: the world, and who asks."""

from typing import cast

from flask import current_app, request

from consent_tokens.app_context import AppContext
from consent_tokens.services.submission.group_commit import GroupCommit


def world() -> AppContext:
    """Return the world of the app that answers this request."""
    return cast("AppContext", current_app.extensions["consent_tokens"])


def gatherer() -> GroupCommit:
    """Return the queue in front of the relay."""
    return cast("GroupCommit", current_app.extensions["consent_tokens_gatherer"])


def client_ip() -> str:
    """Return the asker's address, as the trusted proxies in front of us tell it."""
    return request.remote_addr or "unknown"
