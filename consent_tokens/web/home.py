"""The start page; and, with the simulator only, a shop and phones to try everything with."""

import re
from datetime import timedelta
from typing import Final

from flask import Blueprint, Response, request, session

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import ConsentRequest, RequestedTerms, RequestStatus
from consent_tokens.consent.scope import FrequencyCap
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.errors import ConflictError, GoneError, NotFoundError
from consent_tokens.gateways.simulator import Simulator
from consent_tokens.relay.decision import EXPLANATIONS, Refused
from consent_tokens.services.consents.decisions import fetch_token
from consent_tokens.services.consents.requests import create_request, get_request
from consent_tokens.services.submission.accept import MessageRequest, accept, verify_request
from consent_tokens.store import merchants
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant
from consent_tokens.web.consumer import blueprint, page, redirect_after_post
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.request_context import world

doors: Blueprint = blueprint("home")
demo: Blueprint = blueprint("demo")

MAX_REPLY_LENGTH: Final = 160  # characters
MAX_TEXT_LENGTH: Final = 300
LINK: Final = re.compile(r"(https?://\S+)")


@doors.get("/")
def show_home() -> Response:
    """Show where to go."""
    return page("start.html", has_demo=world().simulator is not None)


@doors.get("/robots.txt")
def robots() -> Response:
    """Ask crawlers to stay away: what is here is between two people."""
    return Response("User-agent: *\nDisallow: /\n", content_type="text/plain")


@demo.get("/demo/shop")
def show_shop() -> Response:
    """Show the demo merchant's shop: whom it asked, and what it may send."""
    merchant = _merchant()
    request_ = _shop_request(merchant)
    state = request_.status_at(world().clock.now()).value if request_ else None
    code = (
        world().keyring.ids.consent_page.encode(RowKey(request_.home, request_.number))
        if request_
        else None
    )
    return page(
        "shop.html", merchant=merchant, state=state, code=code, told=session.pop("told", None)
    )


@demo.post("/demo/shop")
def post_shop() -> Response:
    """Ask for consent, or send, as the demo merchant would through the API."""
    merchant = _merchant()
    if request.form.get("action") == "ask":
        question = RequestedTerms(
            purposes=frozenset({Purpose.PROMOTIONS, Purpose.ORDERS}),
            frequency_cap=FrequencyCap(4, timedelta(days=30)),
            opens="00:00",
            closes="24:00",
            valid_for=timedelta(days=180),
            locale=language(),
            return_url=None,
        )
        asked = world().database.run(
            lambda transaction: create_request(world(), transaction, merchant.id, question)
        )
        address = RowKey(asked.home, asked.number)
        session["shop"] = world().keyring.ids.request.encode(address)
    else:
        session["told"] = _send(merchant, request.form.get("text", "")[:MAX_TEXT_LENGTH])
        world().wake_dispatcher.set()
    return redirect_after_post("demo.show_shop")


@demo.get("/demo/phones")
def show_phones() -> Response:
    """Show the simulated phones."""
    shown = [
        (number.reveal(), [(text, LINK.split(text.text)) for text in texts])
        for number, texts in _simulator().phones()
    ]
    return page("phones.html", phones=shown)


@demo.post("/demo/phones")
def post_phone() -> Response:
    """Reply from a simulated phone."""
    try:
        number = PhoneNumber.parse(request.form.get("phone", ""))
    except ValueError:
        raise NotFoundError("no such phone") from None
    source, text = (
        request.form.get("source", "")[:24],
        request.form.get("text", "")[:MAX_REPLY_LENGTH],
    )
    _simulator().reply(number, source, text)
    return redirect_after_post("demo.show_phones")


def _simulator() -> Simulator:
    simulator = world().simulator
    if simulator is None:
        raise NotFoundError("there is no simulator")
    return simulator


def _merchant() -> Merchant:
    """Return the merchant that was admitted first. Raises NotFoundError."""
    found = world().database.read(merchants.list_all)
    if not found:
        raise NotFoundError("no merchant is admitted")
    return found[0]


def _shop_request(merchant: Merchant) -> ConsentRequest | None:
    handle = session.get("shop")
    if not handle:
        return None
    try:
        return world().database.read(
            lambda transaction: get_request(world(), transaction, merchant.id, handle)
        )
    except NotFoundError:
        return None


def _send(merchant: Merchant, text: str) -> dict[str, str]:
    """Send a text under the consent that this browser's shop asked for; return what came of it."""
    asked = _shop_request(merchant)
    if asked is None or asked.status is not RequestStatus.GRANTED:
        return {"answer": "no_consent"}

    def deed(transaction: Transaction) -> dict[str, str]:
        found = get_request(world(), transaction, merchant.id, session["shop"])
        try:
            token, _ = fetch_token(world(), transaction, found)
        except (ConflictError, GoneError):
            return {"answer": "gone"}
        draft = MessageRequest(token=token, purpose=Purpose.PROMOTIONS.value, text=text)
        verdict = accept(world(), transaction, merchant.id, [verify_request(world(), draft)])[0]
        if isinstance(verdict.decision, Refused):
            reason = verdict.decision.reason
            return {"answer": "refused", "code": reason.value, "words": EXPLANATIONS[reason]}
        return {"answer": "accepted"}

    return world().database.run(deed)
