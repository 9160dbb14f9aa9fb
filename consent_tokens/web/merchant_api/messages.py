"""`/v1/messages`: send one or a thousand, and see what became of them."""

from typing import Any, cast

from flask import request

from consent_tokens import metrics
from consent_tokens.errors import ConsentTokensError, InvalidError
from consent_tokens.relay.decision import Accepted, Reason, Refused
from consent_tokens.relay.message import MAX_SCHEDULE_AHEAD, Message
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.services.submission.accept import MessageRequest, SubmissionResult
from consent_tokens.services.submission.message_status import get_message, list_messages
from consent_tokens.services.submission.submit import ItemResult
from consent_tokens.web import problems
from consent_tokens.web.merchant_api import (
    blueprint,
    idempotency_key,
    json_response,
    load,
    merchant_id,
)
from consent_tokens.web.merchant_api.paging import requested_page
from consent_tokens.web.merchant_api.schemas import (
    MAX_REFERENCE_LENGTH,
    BatchSchema,
    MessageSchema,
    parse_plain_message,
)
from consent_tokens.web.request_context import app_context, runtime

bp = blueprint("messages")

MESSAGE_SCHEMA = MessageSchema()
BATCH_SCHEMA = BatchSchema()


@bp.post("/messages")
@json_response
def send_message() -> ApiResponse:
    """Send one message."""
    merchant = merchant_id()
    message = _message_request(request.get_json())
    key = idempotency_key(merchant)
    return app_context().submitter.submit(merchant, message, _render_result, key)


@bp.post("/messages/batch")
@json_response
def send_batch() -> ApiResponse:
    """Send up to 1000 messages; each is decided on its own."""
    merchant = merchant_id()
    batch = cast("dict[str, list[object]]", load(BATCH_SCHEMA, request.get_json()))
    items = [_message_request_or_error(item) for item in batch["messages"]]
    key = idempotency_key(merchant)
    return app_context().submitter.submit_batch(merchant, items, _render_results, key)


@bp.get("/messages/<message_id>")
@json_response
def get_message_by_id(message_id: str) -> ApiResponse:
    """Look at a message: its status, and why."""
    return ApiResponse(200, render(get_message(runtime(), merchant_id(), message_id)))


@bp.get("/messages")
@json_response
def get_messages() -> ApiResponse:
    """List the messages of one reference, the oldest first."""
    merchant, page, reference = merchant_id(), requested_page(), _requested_reference()
    found = list_messages(runtime(), merchant, reference, after=page.after, limit=page.lookahead)
    return page.response(found, lambda each: (each.accepted_at, each.key.id), render)


def render(message: Message) -> dict[str, Any]:
    """Return a message as its merchant sees it: not the text, which the merchant has."""
    ids = runtime().ids
    reason = Reason(message.reason) if message.reason in set(Reason) else None
    return {
        "id": ids.message.encode(message.key),
        "grant": ids.grant.encode(message.grant_key) if message.grant_key else None,
        "status": message.status.value,
        "purpose": message.purpose,
        "reference": message.reference,
        "accepted_at": message.accepted_at.isoformat(),
        "send_after": message.send_at.isoformat(),
        "valid_until": message.valid_until.isoformat(),
        "changed_at": message.changed_at.isoformat(),
        "segments": message.segments,
        "reason": message.reason,
        "explain": problems.explain(reason) if reason else None,
    }


def _requested_reference() -> str:
    reference = request.args.get("reference", "")
    if not 0 < len(reference) <= MAX_REFERENCE_LENGTH or not reference.isprintable():
        raise InvalidError({"reference": [f"Must be 1 to {MAX_REFERENCE_LENGTH} characters."]})
    return reference


def _message_request(body: object) -> MessageRequest:
    """Return the message in a body. Raises InvalidError."""
    plain = parse_plain_message(body)
    if plain is not None:
        return plain
    message = cast("MessageRequest", load(MESSAGE_SCHEMA, body))
    if message.send_at and message.send_at > runtime().clock.now() + MAX_SCHEDULE_AHEAD:
        raise InvalidError({"send_at": [f"Must be within {MAX_SCHEDULE_AHEAD.days} days."]})
    return message


def _message_request_or_error(item: object) -> MessageRequest | InvalidError:
    try:
        return _message_request(item)
    except InvalidError as error:
        return error


def _render_result(result: SubmissionResult) -> ApiResponse:
    _count([result])
    if isinstance(result.decision, Refused):
        body = problems.refusal_problem(result.decision)
        return ApiResponse(body["status"], body)
    status = "queued" if isinstance(result.decision, Accepted) else "deferred"
    return ApiResponse(202, _render_accepted(result, _message_ids([result])[0], status))


def _render_results(results: list[ItemResult]) -> ApiResponse:
    """Return the results of a batch, each with its own id or its own problem."""
    decided = [each for each in results if isinstance(each, SubmissionResult)]
    _count(decided)
    ids = iter(_message_ids(decided))
    rendered = [
        _render_accepted(each, next(ids), "accepted")
        if isinstance(each, SubmissionResult) and each.key is not None
        else {"status": "refused", "problem": _item_problem(each)}
        for each in results
    ]
    return ApiResponse(200, {"results": rendered})


def _item_problem(result: ItemResult) -> dict[str, Any]:
    if isinstance(result, ConsentTokensError):
        return problems.error_problem(result)
    refusal = cast("Refused", result.decision)  # what was accepted has a key
    return problems.refusal_problem(refusal)


def _render_accepted(result: SubmissionResult, message_id: str, status: str) -> dict[str, Any]:
    decision = result.decision
    send_after = None if isinstance(decision, Refused) else decision.send_at.isoformat()
    return {
        "id": message_id,
        "status": status,
        "send_after": send_after,
        "segments": result.segments,
    }


def _count(results: list[SubmissionResult]) -> None:
    for result in results:
        if isinstance(result.decision, Refused):
            metrics.MESSAGES_REFUSED.labels(result.decision.reason.value).inc()
    metrics.MESSAGES_ACCEPTED.inc(sum(result.key is not None for result in results))


def _message_ids(results: list[SubmissionResult]) -> list[str]:
    """Return the public ids of those messages that were accepted, in order."""
    accepted = [result.key for result in results if result.key is not None]
    return runtime().ids.message.encode_all(accepted)
