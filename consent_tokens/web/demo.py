"""The demonstration: a shop and simulated phones. Registered only with the simulator gateway."""

import re
from datetime import timedelta
from typing import Final

import msgspec
from flask import Response, request, session

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import ConsentRequest, RequestedTerms, RequestStatus
from consent_tokens.consent.scope import FrequencyCap
from consent_tokens.errors import (
    ConflictError,
    GoneError,
    NotFoundError,
    NotReadyError,
    OutboxFullError,
)
from consent_tokens.gateways.simulator import Simulator
from consent_tokens.relay.decision import Refused
from consent_tokens.services.consents.requests import create_request, read_request
from consent_tokens.services.consents.tokens import fetch_token
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.services.merchants import first_merchant
from consent_tokens.services.submission.accept import MessageRequest, SubmissionResult
from consent_tokens.web.consumer import blueprint, page, redirect_after_post
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.reasons import REASON_TEXTS
from consent_tokens.web.request_context import app_context, runtime

bp = blueprint("demo")

MAX_REPLY_LENGTH: Final = 160  # characters
MAX_TEXT_LENGTH: Final = 300
MAX_SOURCE_LENGTH: Final = 24
LINK: Final = re.compile(r"(https?://\S+)")


@bp.get("/demo/shop")
def show_shop() -> Response:
    """Show the shop, its latest consent request, and the result of its last message."""
    merchant = first_merchant(runtime())
    consent_request = _shop_request(merchant.id)
    status = page_id = None
    if consent_request:
        status = consent_request.status_at(runtime().clock.now()).value
        page_id = runtime().ids.consent_page.encode(consent_request.key)
    return page(
        "shop.html",
        merchant=merchant,
        request_status=status,
        page_id=page_id,
        outcome=session.pop("outcome", None),
    )


@bp.post("/demo/shop")
def post_shop() -> Response:
    """Request consent, or submit a message, as a merchant does through the API."""
    merchant = first_merchant(runtime())
    if request.form.get("action") == "ask":
        session["shop"] = _request_consent(merchant.id)
    else:
        session["outcome"] = _submit(merchant.id, request.form.get("text", "")[:MAX_TEXT_LENGTH])
    return redirect_after_post("demo.show_shop")


@bp.get("/demo/phones")
def show_phones() -> Response:
    """Show the simulated phones and their messages."""
    phones = [
        (number.reveal(), [(text, LINK.split(text.text)) for text in texts])
        for number, texts in _simulator().phones()
    ]
    return page("phones.html", phones=phones)


@bp.post("/demo/phones")
def post_phone() -> Response:
    """Reply from a simulated phone."""
    try:
        number = PhoneNumber.parse(request.form.get("phone", ""))
    except ValueError:
        raise NotFoundError("no such phone") from None
    source = request.form.get("source", "")[:MAX_SOURCE_LENGTH]
    text = request.form.get("text", "")[:MAX_REPLY_LENGTH]
    _simulator().reply(number, source, text)
    return redirect_after_post("demo.show_phones")


def _simulator() -> Simulator:
    simulator = app_context().simulator
    if simulator is None:
        raise NotFoundError("there is no simulator")
    return simulator


def _request_consent(merchant_id: str) -> str:
    """Create a consent request; return its public id."""
    terms = RequestedTerms(
        purposes=frozenset({Purpose.PROMOTIONS, Purpose.ORDERS}),
        frequency_cap=FrequencyCap(4, timedelta(days=30)),
        opens="00:00",
        closes="24:00",
        valid_for=timedelta(days=180),
        locale=language(),
        return_url=None,
    )
    consent = app_context().consent
    created = runtime().database.run(
        lambda transaction: create_request(runtime(), consent, transaction, merchant_id, terms)
    )
    return runtime().ids.request.encode(created.key)


def _shop_request(merchant_id: str) -> ConsentRequest | None:
    """Return the consent request that the shop created last in this browser session."""
    request_id = session.get("shop")
    if not request_id:
        return None
    try:
        return read_request(runtime(), merchant_id, request_id).request
    except NotFoundError:
        return None


def _submit(merchant_id: str, text: str) -> dict[str, str]:
    """Submit a text under the consent of the shop's request; return what the page shows.

    Readiness, backpressure and the relay's decision apply as they do in the API.
    """
    consent_request = _shop_request(merchant_id)
    if consent_request is None or consent_request.status is not RequestStatus.GRANTED:
        return {"result": "no_consent"}
    try:
        issued = runtime().database.run(
            lambda transaction: fetch_token(runtime(), transaction, consent_request)
        )
    except (ConflictError, GoneError):
        return {"result": "gone"}
    message = MessageRequest(token=issued.token, purpose=Purpose.PROMOTIONS.value, text=text)
    try:
        response = app_context().submitter.submit(merchant_id, message, _render_result)
    except (NotReadyError, OutboxFullError) as error:
        return {"result": "not_ready", "reason": error.error_code}
    result: dict[str, str] = msgspec.json.decode(response.body)
    return result


def _render_result(result: SubmissionResult) -> ApiResponse:
    if isinstance(result.decision, Refused):
        text = REASON_TEXTS[result.decision.reason]
        body = {"result": "refused", "reason": text.code, "explanation": text.explanation}
        return ApiResponse.render(403, body)
    return ApiResponse.render(202, {"result": "accepted"})
