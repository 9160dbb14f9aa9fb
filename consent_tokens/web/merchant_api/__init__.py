"""The bp of the merchant API, `/v1`: parse, one deed, render."""

import json
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import ParamSpec

from flask import Blueprint, Response, request
from marshmallow import Schema, ValidationError

from consent_tokens.errors import InvalidError, UnauthenticatedError
from consent_tokens.services.idempotency import ApiResponse, IdempotencyKey
from consent_tokens.services.merchants import authenticate
from consent_tokens.web import problems
from consent_tokens.web.request_context import runtime

P = ParamSpec("P")

MAX_KEY_LENGTH = 255  # characters of an Idempotency-Key


def blueprint(name: str) -> Blueprint:
    """Return a blueprint under /v1 whose errors are problems."""
    bp = Blueprint(name, __name__, url_prefix="/v1")
    bp.register_error_handler(Exception, problems.handle_exception)
    return bp


def merchant_id() -> str:
    """Return the merchant whose API key came with this request. Raises UnauthenticatedError."""
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise UnauthenticatedError
    return authenticate(runtime(), key.strip())


def json_response(view: Callable[P, ApiResponse]) -> Callable[P, Response]:
    """Make a view of a function that returns an answer; a status of 400 and more is a problem."""

    @wraps(view)
    def answered(*args: P.args, **kwargs: P.kwargs) -> Response:
        answer = view(*args, **kwargs)
        is_problem = isinstance(answer.body, dict) and answer.status >= HTTPStatus.BAD_REQUEST
        return Response(
            json.dumps(answer.body, ensure_ascii=False),
            status=answer.status,
            content_type=problems.PROBLEM_JSON if is_problem else "application/json",
        )

    return answered


def idempotency_key(merchant: str) -> IdempotencyKey | None:
    """Return the Idempotency-Key of this request, if it has one. Raises InvalidError."""
    text = request.headers.get("Idempotency-Key")
    if text is None:
        return None
    if not 0 < len(text) <= MAX_KEY_LENGTH or not text.isascii() or not text.isprintable():
        raise InvalidError(
            {"Idempotency-Key": [f"must be 1 to {MAX_KEY_LENGTH} printable characters"]}
        )
    whole = f"{request.method} {request.path}\n".encode() + request.get_data()
    return IdempotencyKey(merchant, text, whole)


def load(schema: Schema, body: object) -> object:
    """Return what a schema makes of a body. Raises InvalidError with the fields at fault."""
    try:
        return schema.load(body)  # type: ignore[arg-type]  # it says itself what is no mapping
    except ValidationError as error:
        raise InvalidError(flatten_errors(error.messages)) from None


def flatten_errors(messages: object, before: str = "") -> dict[str, list[str]]:
    """Return marshmallow's nested messages by path: `messages.3.text`."""
    if not isinstance(messages, dict):
        return {before or "_schema": [str(message) for message in _listed(messages)]}
    found: dict[str, list[str]] = {}
    for name, inner in messages.items():
        found |= flatten_errors(inner, f"{before}.{name}" if before else str(name))
    return found


def _listed(messages: object) -> list[object]:
    return messages if isinstance(messages, list) else [messages]
