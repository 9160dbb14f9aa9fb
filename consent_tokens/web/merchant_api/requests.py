"""`/v1/consent-requests`: ask, look, fetch the token."""

from typing import Any, cast

from flask import request

from consent_tokens.consent.request import ConsentRequest, Question, RequestState
from consent_tokens.consent.scope import Scope
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.services.consents.decisions import fetch_token
from consent_tokens.services.consents.requests import ask, the_request
from consent_tokens.services.consents.views import scope_json
from consent_tokens.services.idempotency import Answer, once
from consent_tokens.store import grants
from consent_tokens.store.database import Transaction
from consent_tokens.web.merchant_api import blueprint, for_merchant, loaded, merchant_id, once_key
from consent_tokens.web.merchant_api.schemas import QuestionSchema
from consent_tokens.web.request_context import world

doors = blueprint("consent_requests")

QUESTION = QuestionSchema()


@doors.post("/consent-requests")
@for_merchant
def ask_for_consent() -> Answer:
    """Ask one consumer for consent; returns where to send them."""
    merchant = merchant_id()
    question, token = cast("tuple[Question, str | None]", loaded(QUESTION, request.get_json()))
    return once(
        world(),
        once_key(merchant),
        lambda transaction: ask(world(), transaction, merchant, question, token=token),
        lambda asked: Answer(201, rendered(asked, None)),
    )


@doors.get("/consent-requests/<handle>")
@for_merchant
def look_at_request(handle: str) -> Answer:
    """Look at a consent request: its state, and the scope as granted."""
    merchant = merchant_id()

    def question(transaction: Transaction) -> Answer:
        found = the_request(world(), transaction, merchant, handle)
        granted = None
        if found.grant_home is not None and found.grant_number is not None:
            grant = grants.find(transaction, Address(found.grant_home, found.grant_number))
            granted = grant.scope if grant else None
        return Answer(200, rendered(found, granted))

    return world().store.read(question)


@doors.post("/consent-requests/<handle>/token")
@for_merchant
def fetch(handle: str) -> Answer:
    """Fetch the consent token, within 24 hours of the yes."""
    merchant = merchant_id()

    def deed(transaction: Transaction) -> tuple[str, str]:
        found = the_request(world(), transaction, merchant, handle)
        return fetch_token(world(), transaction, found)

    return once(
        world(),
        once_key(merchant),
        deed,
        lambda fetched: Answer(200, {"token": fetched[0], "grant": fetched[1]}),
    )


def rendered(found: ConsentRequest, granted: Scope | None) -> dict[str, Any]:
    """Return a request as its merchant sees it."""
    here, address = world(), Address(found.home, found.number)
    url = f"{here.base_url}/c/{here.keyring.handles.code.hide(address)}"
    body: dict[str, Any] = {
        "id": here.keyring.handles.request.hide(address),
        "status": found.standing(here.clock.now()).value,
        "consent_url": url,
        "qr_url": f"{url}/qr.svg",
        "expires_at": found.expires.isoformat(),
        "reference": found.question.reference,
    }
    if found.state is RequestState.GRANTED:
        grant = Address(found.grant_home or 0, found.grant_number or 0)
        body["grant"] = here.keyring.handles.grant.hide(grant)
        body["scope"] = scope_json(granted) if granted else None
    return body
