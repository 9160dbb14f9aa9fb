"""Errors and refusals as problem details (RFC 9457), with their HTTP status codes."""

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
    InsufficientScopeError,
    InvalidError,
    InvitationRefusedError,
    KeyUnavailableError,
    MalformedJsonError,
    NotFoundError,
    NotReadyError,
    OutboxFullError,
    RuleForbidsError,
    TokenError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from consent_tokens.relay.decision import Refused
from consent_tokens.row_key import RowKey
from consent_tokens.web.reasons import REASON_TEXTS, TEXT_FAULTS
from consent_tokens.web.request_context import runtime

log = structlog.get_logger()

PROBLEM_JSON: Final = "application/problem+json"
RETRY_SECONDS: Final = 1
BEARER: Final = 'Bearer realm="consent-tokens"'
HTTP_ERROR_CODES: Final[dict[int, str]] = {  # where HTTPStatus has other names in other Pythons
    413: "request_entity_too_large",
    414: "request_uri_too_long",
    416: "requested_range_not_satisfiable",
    422: "unprocessable_entity",
    500: "internal",
}

STATUS_BY_ERROR: Final[dict[type[ConsentTokensError], HTTPStatus]] = {
    TokenError: HTTPStatus.FORBIDDEN,
    MalformedJsonError: HTTPStatus.BAD_REQUEST,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    GoneError: HTTPStatus.GONE,
    InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    RuleForbidsError: HTTPStatus.UNPROCESSABLE_ENTITY,
    IdempotencyKeyReusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooManyRequestsError: HTTPStatus.TOO_MANY_REQUESTS,
    DatabaseBusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    CommitUncertainError: HTTPStatus.SERVICE_UNAVAILABLE,
    KeyUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    NotReadyError: HTTPStatus.SERVICE_UNAVAILABLE,
    OutboxFullError: HTTPStatus.SERVICE_UNAVAILABLE,
}
DETAILS: Final[dict[str, str]] = {  # by error code: what the `detail` of a problem says
    "unauthenticated": "Send a valid API key as `Authorization: Bearer ...`.",
    "not_found": "It does not exist, or it belongs to another merchant.",
    "gone": "It is not available any more.",
    "conflict": "Its present status does not allow this.",
    "invitation_refused": "The consumer declined, did not answer, or takes no invitations.",
    "forbidden": "This is not allowed at present.",
    "insufficient_scope": "The API key has none of the scopes that this needs: `scopes` names "
    "them.",
    "invalid": "The request is not valid; `errors` names each field and what is wrong with it.",
    "idempotency_key_reused": "This Idempotency-Key was used before, for another request.",
    "too_many_requests": "Too many requests; try again after `Retry-After` seconds.",
    "store_busy": "Too many concurrent writes; nothing was changed. Try again.",
    "store_unavailable": "The database is not available; nothing was changed. Try again.",
    "store_uncertain": "The connection to the database broke during the commit: the change may "
    "have been made. Repeat the request with the same Idempotency-Key; it is done only once.",
    "key_unavailable": "A key is missing; no message is sent until the operator has restored it.",
    "outbox_full": "The outbox is full of marketing and finance; only transactional messages are "
    "accepted now.",
    "journal_unavailable": "The revocation journal cannot be written; until it can, no message is "
    "sent.",
    "revocations_behind": "The database lacks acts that the journal holds, as after a "
    "restore; no message is sent until they are replayed.",
    "clock_in_doubt": "The server's clock is not plausible; no message is sent until it is.",
    "issuer_changed": "The service runs under another issuer than its tokens name; no message is "
    "sent until the operator has set the right one.",
    "keys_changed": "The service has the keys of another database; no message is sent until the "
    "operator has put the right ones in place.",
    "purposes_changed": "A purpose that was in use is missing or changed; no message is sent until "
    "the operator has put it back.",
    "key_withdrawn": "A key that was withdrawn is in use again; no message is sent until the "
    "operator has deleted it.",
    "json_malformed": "The body is not JSON as RFC 8259 and I-JSON (RFC 7493) define it: UTF-8, no "
    "member twice, no half of a surrogate pair, no NaN, no integer beyond 2^53 - 1. `pointer` or "
    "`offset` says where.",
    "bad_request": "The request cannot be parsed.",
    "method_not_allowed": "This URL does not support that method.",
    "request_entity_too_large": "The request is larger than this URL accepts.",
    "request_timeout": "The body did not arrive in time.",
    "length_required": "Send `Content-Length` with a form; only JSON may come in chunks.",
    "service_unavailable": "Too many requests wait already; nothing was changed. Try again.",
    "unsupported_media_type": "Send JSON, as `Content-Type: application/json`.",
    "internal": "Internal error. A change is committed as a whole or not at all.",
}

ABOVE_THE_RULES: Final = (  # of a consent request
    "More is asked for than rules allow: `errors` has the ids of the rules by field, and `rules` "
    "says what they are."
)


def problem(code: str, status: HTTPStatus, **members: object) -> dict[str, Any]:
    """Return the members of a problem (RFC 9457, 3.1)."""
    base = runtime().service.base_url
    return {
        "type": f"{base}/docs#{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status.value,
        "detail": DETAILS.get(code, status.description or status.phrase),
        "code": code,
        **members,
    }


def refusal_problem(refusal: Refused, event: RowKey | None = None) -> dict[str, Any]:
    """Return a refusal of the relay as a problem, with the id under which it is recorded."""
    text = REASON_TEXTS[refusal.reason]
    members: dict[str, object] = {"detail": text.explanation, "explain": explain(text.code)}
    if event is not None:
        members["decision"] = runtime().ids.decision.encode(event)
    if refusal.text_fault is not None:
        form = refusal.text_fault
        members["errors"] = {"text": [f"{form.value}: {TEXT_FAULTS[form]}"]}
    if refusal.field_fault is not None:
        fault = refusal.field_fault
        members["detail"] = fault.detail or text.explanation
        members["errors"] = {fault.field: [fault.why]}
    if refusal.rules:
        members["rules"] = [rule.explanation("en") for rule in refusal.rules]
    if refusal.next_at is not None:
        members["next_at"] = refusal.next_at.isoformat()
    return problem(text.code, text.status, **members)


def explain(code: str) -> dict[str, str]:
    """Return a reason's code and its explanation. Raises KeyError for a gateway's own code."""
    text = REASON_TEXTS[code]
    return {"code": text.code, "words": text.explanation}


def validation_problem(fields: dict[str, list[str]]) -> dict[str, Any]:
    """Return a problem that lists error codes by field."""
    return problem("invalid", HTTPStatus.UNPROCESSABLE_ENTITY, errors=fields)


def error_problem(error: ConsentTokensError) -> dict[str, Any]:
    """Return an error of the service as a problem."""
    if isinstance(error, InvalidError):
        return validation_problem(error.fields)
    internal = HTTPStatus.INTERNAL_SERVER_ERROR
    status = next(
        (STATUS_BY_ERROR[kind] for kind in type(error).mro() if kind in STATUS_BY_ERROR), internal
    )
    return problem(error.error_code, status, **_members(error))


def _members(error: ConsentTokensError) -> dict[str, object]:
    """Return what the problem of an error says beyond its code."""
    if isinstance(error, MalformedJsonError):
        place = {"pointer": error.pointer, "offset": error.offset}
        return {"detail": error.why} | {
            name: value for name, value in place.items() if value is not None
        }
    if isinstance(error, ConflictError | GoneError) and str(error):
        sentence = str(error)
        return {"detail": f"{sentence[0].upper()}{sentence[1:]}."}
    if isinstance(error, RuleForbidsError):
        return {"detail": ABOVE_THE_RULES, "errors": error.fields, "rules": error.rules}
    if isinstance(error, InsufficientScopeError):
        return {"scopes": error.needed}
    if isinstance(error, InvitationRefusedError) and error.next_at:
        return {"next_at": error.next_at.isoformat()}
    return {}


def problem_response(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """Return a problem as a response with its status code."""
    response = Response(json.dumps(body), status=body["status"], content_type=PROBLEM_JSON)
    response.headers.update(headers or {})
    return response


def handle_exception(error: Exception) -> Response:
    """Return the response to an exception; an unexpected one is logged and reveals nothing."""
    if isinstance(error, HTTPException):
        return _http_problem(error)
    if not isinstance(error, ConsentTokensError):
        # its message may hold parts of the request, so only its type and place are logged
        log.error("internal_error", fault=type(error).__name__, endpoint=request.endpoint)
        return problem_response(problem("internal", HTTPStatus.INTERNAL_SERVER_ERROR))
    body = error_problem(error)
    headers: dict[str, str] = {}
    if isinstance(error, TooManyRequestsError | OutboxFullError):
        headers["Retry-After"] = str(error.retry_after)
    elif body["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    elif body["status"] == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = BEARER
    if isinstance(error, InsufficientScopeError):  # RFC 6750, 3.1
        needed = " ".join(error.needed)
        headers["WWW-Authenticate"] = f'{BEARER}, error="insufficient_scope", scope="{needed}"'
    return problem_response(body, headers)


def _http_problem(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    code = HTTP_ERROR_CODES.get(status, status.name.lower())
    headers = {
        name: value
        for name, value in error.get_headers()
        if name.lower() in {"allow", "location", "retry-after"}
    }
    return problem_response(problem(code, status), headers)
