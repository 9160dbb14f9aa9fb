"""The demonstration: a shop and simulated phones. Registered only with the simulator gateway.

`/demo` shows both side by side; `/demo/shop` and `/demo/phones` show one of them.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from flask import Response, request, session
from werkzeug.exceptions import BadRequest

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import AskedTerms, ConsentRequest, RequestStatus
from consent_tokens.errors import (
    ConflictError,
    GoneError,
    NotFoundError,
    NotReadyError,
    OutboxFullError,
)
from consent_tokens.gateways.simulator import SimulatedText, Simulator
from consent_tokens.relay.decision import Refused
from consent_tokens.services.consents.requests import create_request, read_request
from consent_tokens.services.consents.tokens import fetch_token, read_grant
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.services.merchants import first_merchant
from consent_tokens.services.submission.message_request import MessageRequest, SubmissionResult
from consent_tokens.web.consumer import blueprint, page, redirect_after_post
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.reasons import REASON_TEXTS
from consent_tokens.web.request_context import app_context, runtime
from consent_tokens.web.security_headers import allow_script

bp = blueprint("demo")

MAX_REPLY_LENGTH: Final = 160  # characters
MAX_TEXT_LENGTH: Final = 300
MAX_SOURCE_LENGTH: Final = 24
MAX_SHOWN_TEXTS: Final = 6  # on the phone beside the shop
LINK: Final = re.compile(r"(https?://\S+)")
OUTCOME: Final = "outcome"  # keys of the cookie session: the result of the last message
HAS_SENT: Final = "shop_sent"  # whether one was accepted under the current request

ShownText = tuple[SimulatedText, Sequence[str]]  # its text is split at links


@bp.get("/demo")
def show_demo() -> Response:
    """Show the shop, the phone that was used last, and what to do next."""
    shop = _shop()
    phones = _phones()
    return allow_script(
        page(
            "demo.html",
            **shop,
            step=_next_step(shop["merchant"].id),
            phone=(phones[0][0], phones[0][1][-MAX_SHOWN_TEXTS:]) if phones else None,
        ),
        may_fetch=True,
    )


@bp.post("/demo")
def post_demo() -> Response:
    """Request consent or submit a message as the shop, or reply from the phone."""
    match request.form.get("action"):
        case "ask" | "send":
            _act_as_shop()
        case "reply":
            _reply()
        case _:
            raise BadRequest
    return redirect_after_post("demo.show_demo")


@bp.get("/demo/shop")
def show_shop() -> Response:
    """Show the shop, its latest consent request, and the result of its last message."""
    return page("shop.html", **_shop())


@bp.post("/demo/shop")
def post_shop() -> Response:
    """Request consent, or submit a message, as a merchant does through the API."""
    _act_as_shop()
    return redirect_after_post("demo.show_shop")


def _shop() -> dict[str, Any]:
    """Return what a page shows of the shop."""
    merchant = first_merchant(runtime())
    consent_request = _shop_request(merchant.id)
    status = page_id = None
    if consent_request:
        status = consent_request.status_at(runtime().clock.now()).value
        page_id = runtime().ids.consent_page.encode(consent_request.key)
    return {
        "merchant": merchant,
        "request_status": status,
        "page_id": page_id,
        "outcome": session.pop(OUTCOME, None),
    }


def _act_as_shop() -> None:
    merchant = first_merchant(runtime())
    if request.form.get("action") == "ask":
        session["shop"] = _request_consent(merchant.id)
        session.pop(HAS_SENT, None)
        return
    outcome = _submit(merchant.id, request.form.get("text", "")[:MAX_TEXT_LENGTH])
    session[OUTCOME] = outcome
    if outcome["result"] == "accepted":
        session[HAS_SENT] = True


def _next_step(merchant_id: str) -> str:
    """Return what to do next: ask, answer, send, stop, or send again after the stop."""
    consent_request = _shop_request(merchant_id)
    now = runtime().clock.now()
    if consent_request is None:
        return "ask"
    match consent_request.status_at(now):
        case RequestStatus.PENDING:
            return "answer"
        case RequestStatus.DECLINED | RequestStatus.EXPIRED:
            return "ask"
        case RequestStatus.GRANTED:
            return _step_after_yes(merchant_id, consent_request)


def _step_after_yes(merchant_id: str, consent_request: ConsentRequest) -> str:
    key = consent_request.grant_key
    if key is None:
        return "ask"
    standing = read_grant(runtime(), merchant_id, runtime().ids.grant.encode(key))
    if standing.grant.status_at(runtime().clock.now()) is not GrantStatus.LIVE:
        return "again"
    return "stop" if session.get(HAS_SENT) else "send"


@bp.get("/demo/phones")
def show_phones() -> Response:
    """Show the simulated phones and their messages."""
    return page("phones.html", phones=_phones())


@bp.post("/demo/phones")
def post_phone() -> Response:
    """Reply from a simulated phone."""
    _reply()
    return redirect_after_post("demo.show_phones")


def _phones() -> list[tuple[str, list[ShownText]]]:
    """Return number and texts of each simulated phone, the one used last first."""
    return [
        (number.reveal(), [(text, LINK.split(text.text)) for text in texts])
        for number, texts in _simulator().phones()
    ]


def _reply() -> None:
    try:
        number = PhoneNumber.parse(request.form.get("phone", ""))
    except ValueError:
        raise NotFoundError("no such phone") from None
    source = request.form.get("source", "")[:MAX_SOURCE_LENGTH]
    text = request.form.get("text", "")[:MAX_REPLY_LENGTH]
    _simulator().reply(number, source, text)


def _simulator() -> Simulator:
    simulator = app_context().simulator
    if simulator is None:
        raise NotFoundError("there is no simulator")
    return simulator


def _request_consent(merchant_id: str) -> str:
    """Create a consent request; return its public id."""
    terms = AskedTerms(
        purposes=frozenset({Purpose.PROMOTIONS, Purpose.ORDERS}),
        opens="00:00",
        closes="24:00",
        locale=language(),
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
