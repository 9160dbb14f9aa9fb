"""`/v1/messages`: hand in one or a thousand, and see what became of them."""

from typing import Any, cast

from flask import request

from consent_tokens import metrics as meters
from consent_tokens.app_context import AppContext
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.errors import (
    ConsentTokensError,
    InvalidError,
    NotFoundError,
    OutboxFullError,
)
from consent_tokens.relay.decision import Accepted, Deferred, Reason, Refused, is_marketing
from consent_tokens.relay.message import MAX_SCHEDULE_AHEAD, Message
from consent_tokens.services.idempotency import ApiResponse, run_once
from consent_tokens.services.integrity.readiness import ensure_ready
from consent_tokens.services.submission.accept import (
    MessageRequest,
    SubmissionResult,
    VerifiedRequest,
    accept,
    verify_request,
)
from consent_tokens.services.submission.backpressure import is_saturated
from consent_tokens.store import messages
from consent_tokens.store.database import Transaction
from consent_tokens.web import problems
from consent_tokens.web.merchant_api import (
    blueprint,
    idempotency_key,
    json_response,
    load,
    merchant_id,
)
from consent_tokens.web.merchant_api.paging import Page, requested_page
from consent_tokens.web.merchant_api.schemas import (
    MAX_REFERENCE_LENGTH,
    BatchSchema,
    MessageSchema,
    parse_plain_message,
)
from consent_tokens.web.request_context import gatherer, world

doors = blueprint("messages")

MESSAGE_SCHEMA = MessageSchema()
BATCH_SCHEMA = BatchSchema()


@doors.post("/messages")
@json_response
def send_message() -> ApiResponse:
    """Hand in a message."""
    merchant = merchant_id()
    body = request.get_json()
    written = parse_plain_message(body) or _message_request(world(), body)
    ensure_ready(world())
    if is_marketing(written.purpose) and is_saturated(world()):
        raise OutboxFullError
    draft = verify_request(world(), written)
    key = idempotency_key(merchant)
    if key is None:
        answer = _render_result(gatherer().accept(merchant, draft))
    else:
        answer = run_once(
            world(),
            key,
            lambda transaction: accept(world(), transaction, merchant, [draft])[0],
            _render_result,
        )
    world().wake_dispatcher.set()
    return answer


@doors.post("/messages/batch")
@json_response
def send_batch() -> ApiResponse:
    """Hand in up to 1000 messages; each is judged for itself."""
    merchant = merchant_id()
    batch = cast("dict[str, list[object]]", load(BATCH_SCHEMA, request.get_json()))
    here = world()
    ensure_ready(here)
    read = [_message_request_or_error(here, item) for item in batch["messages"]]
    if is_saturated(here):
        read = [_without_marketing(item) for item in read]
        if all(isinstance(item, OutboxFullError) for item in read):
            raise OutboxFullError
    items = [
        verify_request(here, item) if isinstance(item, MessageRequest) else item for item in read
    ]
    sound = [item for item in items if isinstance(item, VerifiedRequest)]

    def render(verdicts: list[SubmissionResult]) -> ApiResponse:
        rest = iter(_render_results(verdicts))
        results = [
            next(rest) if isinstance(item, VerifiedRequest) else _render_error(item)
            for item in items
        ]
        return ApiResponse(200, {"results": results})

    answer = run_once(
        world(),
        idempotency_key(merchant),
        lambda transaction: accept(world(), transaction, merchant, sound),
        render,
    )
    world().wake_dispatcher.set()
    return answer


@doors.get("/messages/<handle>")
@json_response
def get_message(handle: str) -> ApiResponse:
    """Look at a message: where it stands, and why."""
    merchant = merchant_id()
    address = world().keyring.ids.message.decode(handle)
    found = (
        world().database.read(lambda transaction: messages.find(transaction, address))
        if address
        else None
    )
    if found is None or found.merchant_id != merchant:
        raise NotFoundError("no message of that id")
    return ApiResponse(200, render(found))


@doors.get("/messages")
@json_response
def list_messages() -> ApiResponse:
    """List the messages of one reference, the oldest first."""
    merchant = merchant_id()
    page = requested_page()
    reference = request.args.get("reference", "")
    if not 0 < len(reference) <= MAX_REFERENCE_LENGTH or not reference.isprintable():
        raise InvalidError({"reference": [f"Must be 1 to {MAX_REFERENCE_LENGTH} characters."]})

    def question(transaction: Transaction) -> ApiResponse:
        found = messages.by_reference(
            transaction, merchant, reference, after=page.after, limit=page.limit + 1
        )
        last = found[page.limit - 1] if len(found) > page.limit else None
        cursor = Page.cursor(last.accepted_at, last.key.id) if last else None
        items = [render(message) for message in found[: page.limit]]
        return ApiResponse(200, {"items": items, "next": cursor})

    return world().database.read(question)


def render(message: Message) -> dict[str, Any]:
    """Return a message as its merchant sees it: not the text, which the merchant has."""
    handles = world().keyring.ids
    reason = Reason(message.reason) if message.reason in set(Reason) else None
    return {
        "id": handles.message.encode(message.key),
        "grant": handles.grant.encode(message.grant_key or RowKey(0, 0)),
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


def _message_request(here: AppContext, body: object) -> MessageRequest:
    """Return the draft in a body. Raises InvalidError."""
    draft = cast("MessageRequest", load(MESSAGE_SCHEMA, body))
    if draft.send_at and draft.send_at > here.clock.now() + MAX_SCHEDULE_AHEAD:
        raise InvalidError({"send_at": [f"Must be within {MAX_SCHEDULE_AHEAD.days} days."]})
    return draft


def _message_request_or_error(
    here: AppContext, item: object
) -> MessageRequest | ConsentTokensError:
    try:
        return parse_plain_message(item) or _message_request(here, item)
    except InvalidError as fault:
        return fault


def _without_marketing(
    item: MessageRequest | ConsentTokensError,
) -> MessageRequest | ConsentTokensError:
    """Return what stays of an item while the outbox is full: marketing waits outside."""
    is_held = isinstance(item, MessageRequest) and is_marketing(item.purpose)
    return OutboxFullError() if is_held else item


def _render_result(verdict: SubmissionResult) -> ApiResponse:
    _count([verdict])
    match verdict.decision:
        case Refused() as refusal:
            body = problems.refusal_problem(refusal)
            return ApiResponse(body["status"], body)
        case Accepted() | Deferred() as taken:
            status = "queued" if isinstance(taken, Accepted) else "deferred"
            return ApiResponse(
                202,
                {"id": _message_ids([verdict])[0], "status": status} | _render_schedule(verdict),
            )


def _render_results(verdicts: list[SubmissionResult]) -> list[dict[str, Any]]:
    """Return the results of a batch, each with its own id or its own problem."""
    _count(verdicts)
    handles = iter(_message_ids(verdicts))
    return [
        {"status": "refused", "problem": problems.refusal_problem(verdict.decision)}
        if isinstance(verdict.decision, Refused)
        else {"id": next(handles), "status": "accepted"} | _render_schedule(verdict)
        for verdict in verdicts
    ]


def _count(verdicts: list[SubmissionResult]) -> None:
    for verdict in verdicts:
        if isinstance(verdict.decision, Refused):
            meters.MESSAGES_REFUSED.labels(verdict.decision.reason.value).inc()
    meters.MESSAGES_ACCEPTED.inc(sum(verdict.key is not None for verdict in verdicts))


def _message_ids(verdicts: list[SubmissionResult]) -> list[str]:
    """Return the handles of those messages that were taken, in order."""
    taken = [verdict.key for verdict in verdicts if verdict.key is not None]
    return world().keyring.ids.message.encode_all(taken)


def _render_schedule(verdict: SubmissionResult) -> dict[str, Any]:
    if isinstance(verdict.decision, Refused):
        return {}
    return {
        "send_after": verdict.decision.send_at.isoformat(),
        "segments": verdict.segments,
    }


def _render_error(fault: ConsentTokensError) -> dict[str, Any]:
    return {"status": "refused", "problem": problems.error_problem(fault)}
