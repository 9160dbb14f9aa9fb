"""`/v1/messages`: send one message or up to a thousand, and follow them."""

from typing import Any

from consent_tokens.relay.decision import Refused
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.services.submission import message_status
from consent_tokens.services.submission.message_request import MessageRequest, SubmissionResult
from consent_tokens.services.submission.message_status import ShownMessage
from consent_tokens.services.submission.submit import Item
from consent_tokens.web import problems
from consent_tokens.web.merchant_api.answers import MessageDetail, MessagePage
from consent_tokens.web.merchant_api.blueprint import Answer, ApiBlueprint
from consent_tokens.web.merchant_api.late_response import LateResponse
from consent_tokens.web.merchant_api.message_schemas import (
    AcceptedAnswer,
    BatchAnswer,
    BatchIn,
    MessageIn,
)
from consent_tokens.web.merchant_api.paging import list_page
from consent_tokens.web.merchant_api.schemas import MessagesQuery, RequestedPage
from consent_tokens.web.request_context import app_context, runtime

bp = ApiBlueprint("messages", "Messages, sent under consent tokens.")


@bp.post("/messages")
@bp.body(MessageIn())
@bp.answer_once(202, AcceptedAnswer())
@bp.problems(403, 422)
def send_message(merchant_id: str, body: MessageRequest, answer: Answer) -> LateResponse:
    """Send one message."""
    submitter = app_context().submitter

    def render(result: SubmissionResult) -> ApiResponse:
        return _refusal(result) or answer.render(result)

    submission = submitter.prepare(merchant_id, body, render, answer.key)
    return LateResponse(submitter.group_commit, submission)


@bp.post("/messages/batch")
@bp.body(BatchIn())
@bp.answer_once(200, BatchAnswer())
def send_batch(merchant_id: str, body: list[Item], answer: Answer) -> ApiResponse:
    """Send up to 1000 messages; each is decided on its own."""
    return app_context().submitter.submit_batch(merchant_id, body, answer.render, answer.key)


@bp.get("/messages/<message_id>")
@bp.answer(200, MessageDetail())
@bp.problems(404)
def get_message(merchant_id: str, message_id: str) -> ShownMessage:
    """Return a message: its status, and why."""
    return message_status.show_message(runtime(), merchant_id, message_id)


@bp.get("/messages")
@bp.query(MessagesQuery())
@bp.answer(200, MessagePage())
def list_messages(merchant_id: str, query: RequestedPage) -> dict[str, Any]:
    """List messages, the oldest first."""
    return list_page(
        merchant_id,
        "messages",
        query,
        lambda wanted: message_status.list_messages(runtime(), merchant_id, wanted),
        lambda each: (each.accepted_at, each.key.id),
    )


def _refusal(result: SubmissionResult) -> ApiResponse | None:
    if not isinstance(result.decision, Refused):
        return None
    problem = problems.refusal_problem(result.decision, result.event)
    return ApiResponse.render(problem["status"], problem)
