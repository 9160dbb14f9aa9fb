"""`X-Request-Id`: on every answer, and in every log line that a request causes."""

import re
from typing import Final

import structlog
from flask import Flask, Response, request

from consent_tokens.crypto.encoding import encode
from consent_tokens.web.request_context import runtime

HEADER: Final = "X-Request-Id"
ENVIRON_KEY: Final = "consent_tokens.request_id"
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
ID_BYTES: Final = 12


def give_request_ids(app: Flask) -> None:
    """Give each request the id that its client sent, or a random one."""
    app.before_request(_begin)
    app.after_request(_add_header)


def _begin() -> None:
    sent = request.headers.get(HEADER, "")
    request_id = (
        sent if REQUEST_ID.fullmatch(sent) else encode(runtime().random.token_bytes(ID_BYTES))
    )
    request.environ[ENVIRON_KEY] = request_id
    structlog.contextvars.clear_contextvars()  # the thread has served others
    structlog.contextvars.bind_contextvars(request_id=request_id)


def _add_header(response: Response) -> Response:
    response.headers[HEADER] = request.environ[ENVIRON_KEY]
    return response
