"""With the simulator only: a demonstration shop and simulated phones to try the service with."""

import re
from datetime import timedelta
from typing import Final

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
from consent_tokens.relay.decision import EXPLANATIONS, Refused
from consent_tokens.services.consents.requests import create_request, read_request
from consent_tokens.services.consents.tokens import fetch_token
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.services.merchants import first_merchant
from consent_tokens.services.submission.accept import MessageRequest, SubmissionResult
from consent_tokens.web.consumer import blueprint, page, redirect_after_post
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.request_context import app_context, runtime

bp = blueprint("demo")

MAX_REPLY_LENGTH: Final = 160  # characters
MAX_TEXT_LENGTH: Final = 300
MAX_SOURCE_LENGTH: Final = 24
LINK: Final = re.compile(r"(https?://\S+)")


@bp.get("/demo/shop")
def show_shop() -> Response:
    """Show the demonstration shop: whom it asked for consent, and what it may send."""
    merchant = first_merchant(runtime())
    asked = _shop_request(merchant.id)
    return page(
        "shop.html",
        merchant=merchant,
        request_status=asked.status_at(runtime().clock.now()).value if asked else None,
        code=runtime().ids.consent_page.encode(asked.key) if asked else None,
        outcome=session.pop("outcome", None),
    )


@bp.post("/demo/shop")
def post_shop() -> Response:
    """Ask for consent, or send, as the merchant would through the API."""
    merchant = first_merchant(runtime())
    if request.form.get("action") == "ask":
        session["shop"] = _ask(merchant.id)
    else:
        session["outcome"] = _send(merchant.id, request.form.get("text", "")[:MAX_TEXT_LENGTH])
    return redirect_after_post("demo.show_shop")


@bp.get("/demo/phones")
def show_phones() -> Response:
    """Show the simulated phones."""
    shown = [
        (number.reveal(), [(text, LINK.split(text.text)) for text in texts])
        for number, texts in _simulator().phones()
    ]
    return page("phones.html", phones=shown)


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


def _ask(merchant_id: str) -> str:
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
    """Return the request that this browser's shop created last."""
    request_id = session.get("shop")
    if not request_id:
        return None
    try:
        return read_request(runtime(), merchant_id, request_id).request
    except NotFoundError:
        return None


def _send(merchant_id: str, text: str) -> dict[str, str]:
    """Send a text under the consent that this browser's shop asked for; return what the page says.

    It is submitted as through the API: with readiness, backpressure and the same decision.
    """
    asked = _shop_request(merchant_id)
    if asked is None or asked.status is not RequestStatus.GRANTED:
        return {"result": "no_consent"}
    try:
        issued = runtime().database.run(
            lambda transaction: fetch_token(runtime(), transaction, asked)
        )
    except (ConflictError, GoneError):
        return {"result": "gone"}
    message = MessageRequest(token=issued.token, purpose=Purpose.PROMOTIONS.value, text=text)
    try:
        response = app_context().submitter.submit(merchant_id, message, _render_result)
    except (NotReadyError, OutboxFullError) as error:
        return {"result": "not_ready", "code": error.error_code}
    result: dict[str, str] = response.body
    return result


def _render_result(result: SubmissionResult) -> ApiResponse:
    if isinstance(result.decision, Refused):
        reason = result.decision.reason
        body = {"result": "refused", "code": reason.value, "words": EXPLANATIONS[reason]}
        return ApiResponse(403, body)
    return ApiResponse(202, {"result": "accepted"})
