"""`/v1/consent-requests`: ask one consumer for consent, and fetch the token once it was granted."""

from typing import Any

from consent_tokens.consent.request import AskedTerms
from consent_tokens.services.consents import requests, sandbox_answers, tokens
from consent_tokens.services.consents.requests import RequestStanding
from consent_tokens.services.consents.sandbox_answers import SandboxAnswer
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.services.token_verification import PresentedToken, verify_token
from consent_tokens.web.merchant_api.answers import (
    ConsentRequestAnswer,
    ConsentRequestPage,
    TokenAnswer,
)
from consent_tokens.web.merchant_api.blueprint import Answer, ApiBlueprint
from consent_tokens.web.merchant_api.paging import list_page
from consent_tokens.web.merchant_api.schemas import (
    ConsentRequestIn,
    ConsentRequestsQuery,
    RequestedPage,
    SandboxAnswerIn,
)
from consent_tokens.web.request_context import app_context, runtime

bp = ApiBlueprint("consent_requests", "Requests for consent, each to one consumer.")


@bp.post("/consent-requests")
@bp.body(ConsentRequestIn())
@bp.answer_once(201, ConsentRequestAnswer())
@bp.problems(403, 429)
def create_consent_request(
    merchant_id: str, body: tuple[AskedTerms, str | None], answer: Answer
) -> ApiResponse:
    """Ask one consumer for consent; the answer says where to send them."""
    terms, token = body
    policy = app_context().consent
    verified = None
    if token is not None:
        verified = verify_token(runtime(), PresentedToken(merchant_id, token))
    with requests.recorded_refusals(runtime(), merchant_id):
        return answer.once(
            lambda transaction: requests.create_request(
                runtime(), policy, transaction, merchant_id, terms, token=verified
            )
        )


@bp.get("/consent-requests")
@bp.query(ConsentRequestsQuery())
@bp.answer(200, ConsentRequestPage())
def list_consent_requests(merchant_id: str, query: RequestedPage) -> dict[str, Any]:
    """List the merchant's consent requests, the oldest first."""
    return list_page(
        merchant_id,
        "consent-requests",
        query,
        lambda wanted: requests.list_requests(runtime(), merchant_id, wanted),
        lambda each: (each.request.created_at, each.request.key.id),
    )


@bp.get("/consent-requests/<request_id>")
@bp.answer(200, ConsentRequestAnswer())
@bp.problems(404)
def get_consent_request(merchant_id: str, request_id: str) -> RequestStanding:
    """Return a consent request: its status, and the scope as granted."""
    return requests.read_request(runtime(), merchant_id, request_id)


@bp.post("/test/consent-requests/<request_id>/answer")
@bp.body(SandboxAnswerIn())
@bp.answer_once(200, ConsentRequestAnswer())
@bp.problems(404, 409)
def answer_consent_request(
    merchant_id: str, request_id: str, body: SandboxAnswer, answer: Answer
) -> ApiResponse:
    """Answer a consent request as its consumer would; with a test key only."""
    sandbox_answers.require_sandbox(merchant_id)
    policy = app_context().consent

    def work(transaction: Any) -> RequestStanding:  # noqa: ANN401 - of the store
        asked = requests.get_request(runtime(), transaction, merchant_id, request_id)
        return sandbox_answers.answer_for_tests(runtime(), policy, transaction, asked, body)

    with sandbox_answers.journalled(runtime()):
        return answer.once(work)


@bp.post("/consent-requests/<request_id>/token")
@bp.answer_once(200, TokenAnswer())
@bp.problems(404, 409, 410, 422)
def fetch_consent_token(merchant_id: str, request_id: str, answer: Answer) -> ApiResponse:
    """Fetch the consent token, within 24 hours of the consent."""
    return answer.once(
        lambda transaction: tokens.fetch_token(
            runtime(),
            transaction,
            requests.get_request(runtime(), transaction, merchant_id, request_id),
        )
    )
