"""Errors and refusals as RFC 9457 problems: the one place where the inside meets status codes."""

from http import HTTPStatus
from typing import Any, Final

import structlog
from flask import Response, json, request
from werkzeug.exceptions import HTTPException

from consent_tokens.errors import (
    CommitUncertainError,
    ConflictError,
    ConsentTokensError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    ForbiddenError,
    GoneError,
    IdempotencyKeyReusedError,
    InvalidError,
    InvitationRefusedError,
    KeyUnavailableError,
    NotFoundError,
    NotReadyError,
    OutboxFullError,
    TokenError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from consent_tokens.relay.decision import EXPLANATIONS, Reason, Refused
from consent_tokens.web.request_context import runtime

log = structlog.get_logger()

PROBLEM_JSON: Final = "application/problem+json"
RETRY_SECONDS: Final = 1

STATUS_BY_ERROR: Final[dict[type[ConsentTokensError], HTTPStatus]] = {
    TokenError: HTTPStatus.FORBIDDEN,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    GoneError: HTTPStatus.GONE,
    InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    IdempotencyKeyReusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooManyRequestsError: HTTPStatus.TOO_MANY_REQUESTS,
    DatabaseBusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    CommitUncertainError: HTTPStatus.SERVICE_UNAVAILABLE,
    KeyUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    NotReadyError: HTTPStatus.SERVICE_UNAVAILABLE,
    OutboxFullError: HTTPStatus.SERVICE_UNAVAILABLE,
}
DETAILS: Final[dict[str, str]] = {
    "unauthenticated": "Send a valid API key as `Authorization: Bearer ...`.",
    "not_found": "There is no such thing, or it is not yours.",
    "gone": "It was there, and is no more.",
    "conflict": "It is not in a state that allows this.",
    "invitation_refused": "Whom this asks has said no, or nothing, or wants no invitations.",
    "forbidden": "This is not allowed at present.",
    "invalid": "The input makes no sense; `errors` says where and why.",
    "idempotency_key_reused": "This Idempotency-Key came before, with another request.",
    "too_many_requests": "Asked too often; try again after `Retry-After` seconds.",
    "store_busy": "Too many are writing at once; nothing was done. Try again.",
    "store_unavailable": "The database is away; nothing was done. Try again.",
    "store_uncertain": "The database went away just then: it may have been done, or not. With an "
    "Idempotency-Key, the same request again finds out, and is done once.",
    "key_unavailable": "A key is missing; nothing leaves until the operator has mended it.",
    "outbox_full": "So much marketing waits that no more is taken now; transactional still is.",
    "journal_unavailable": "Revocations cannot be journalled; nothing leaves until that is mended.",
    "revocations_behind": "The database is an old copy; nothing leaves until it has caught up.",
    "clock_in_doubt": "The clock cannot be trusted; nothing leaves until it can.",
    "bad_request": "The request cannot be read.",
    "method_not_allowed": "This address does not take that method.",
    "request_entity_too_large": "The request is larger than this address takes.",
    "unsupported_media_type": "Send JSON, as `Content-Type: application/json`.",
    "internal": "Something went wrong on our side; nothing half-done was kept.",
}
STATUS_BY_REASON: Final[dict[Reason, HTTPStatus]] = {
    Reason.TOKEN_MALFORMED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.CONTENT_REJECTED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.TEXT_TOO_LONG: HTTPStatus.UNPROCESSABLE_ENTITY,
}  # the others: 403, we know who asks, and the consumer or the operator says no


def problem(code: str, status: HTTPStatus, **members: object) -> dict[str, Any]:
    """Return a problem as JSON (RFC 9457, 3.1)."""
    base = runtime().service.base_url
    return {
        "type": f"{base}/docs#{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status.value,
        "detail": DETAILS.get(code, status.description or status.phrase),
        "code": code,
        **members,
    }


def refusal_problem(refusal: Refused) -> dict[str, Any]:
    """Return a refusal of the relay as a problem."""
    reason = refusal.reason
    members: dict[str, object] = {"detail": EXPLANATIONS[reason], "explain": explain(reason)}
    if refusal.next_at is not None:
        members["next_at"] = refusal.next_at.isoformat()
    return problem(reason.value, STATUS_BY_REASON.get(reason, HTTPStatus.FORBIDDEN), **members)


def explain(reason: Reason) -> dict[str, str]:
    """Return why, in words and codes."""
    return {"code": reason.value, "words": EXPLANATIONS[reason]}


def validation_problem(fields: dict[str, list[str]]) -> dict[str, Any]:
    """Return faults in the input, by field, as a problem."""
    return problem("invalid", HTTPStatus.UNPROCESSABLE_ENTITY, errors=fields)


def error_problem(error: ConsentTokensError) -> dict[str, Any]:
    """Return a fault of ours as a problem."""
    if isinstance(error, InvalidError):
        return validation_problem(error.fields)
    internal = HTTPStatus.INTERNAL_SERVER_ERROR
    status = next(
        (STATUS_BY_ERROR[kind] for kind in type(error).mro() if kind in STATUS_BY_ERROR), internal
    )
    return problem(error.error_code, status)


def problem_response(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """Return a problem as a response of its own status."""
    response = Response(json.dumps(body), status=body["status"], content_type=PROBLEM_JSON)
    response.headers.update(headers or {})
    return response


def handle_exception(error: Exception) -> Response:
    """Return the problem that tells a fault; what we did not foresee tells nothing."""
    if isinstance(error, HTTPException):
        return _http_problem(error)
    if isinstance(error, RecursionError):  # JSON nested beyond all reason
        return problem_response(problem("bad_request", HTTPStatus.BAD_REQUEST))
    if not isinstance(error, ConsentTokensError):
        # the text of a fault may hold what was sent: only its kind and place are logged
        log.error("internal_error", fault=type(error).__name__, endpoint=request.endpoint)
        return problem_response(problem("internal", HTTPStatus.INTERNAL_SERVER_ERROR))
    body = error_problem(error)
    headers: dict[str, str] = {}
    if isinstance(error, InvitationRefusedError) and error.next_at:
        body["next_at"] = error.next_at.isoformat()
    if isinstance(error, TooManyRequestsError | OutboxFullError):
        headers["Retry-After"] = str(error.retry_after)
    elif body["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    elif body["status"] == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="consent-tokens"'
    return problem_response(body, headers)


def _http_problem(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    code = "internal" if status is HTTPStatus.INTERNAL_SERVER_ERROR else status.name.lower()
    headers = {
        name: value for name, value in error.get_headers() if name.lower() in {"allow", "location"}
    }
    return problem_response(problem(code, status), headers)
