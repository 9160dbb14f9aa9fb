"""`/v1/consent-requests`: ask, look, fetch the token."""

from typing import Any, cast

from flask import request

from consent_tokens.consent.request import ConsentRequest, RequestedTerms, RequestStatus
from consent_tokens.consent.scope import Scope
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.services.consents.decisions import fetch_token
from consent_tokens.services.consents.requests import create_request, get_request
from consent_tokens.services.consents.views import scope_json
from consent_tokens.services.idempotency import ApiResponse, run_once
from consent_tokens.store import grants
from consent_tokens.store.database import Transaction
from consent_tokens.web.merchant_api import (
    blueprint,
    idempotency_key,
    json_response,
    load,
    merchant_id,
)
from consent_tokens.web.merchant_api.schemas import ConsentRequestSchema
from consent_tokens.web.request_context import world

doors = blueprint("consent_requests")

REQUEST_SCHEMA = ConsentRequestSchema()


@doors.post("/consent-requests")
@json_response
def create_consent_request() -> ApiResponse:
    """Ask one consumer for consent; returns where to send them."""
    merchant = merchant_id()
    question, token = cast(
        "tuple[RequestedTerms, str | None]", load(REQUEST_SCHEMA, request.get_json())
    )
    return run_once(
        world(),
        idempotency_key(merchant),
        lambda transaction: create_request(world(), transaction, merchant, question, token=token),
        lambda asked: ApiResponse(201, render(asked, None)),
    )


@doors.get("/consent-requests/<handle>")
@json_response
def get_consent_request(handle: str) -> ApiResponse:
    """Look at a consent request: its state, and the scope as granted."""
    merchant = merchant_id()

    def question(transaction: Transaction) -> ApiResponse:
        found = get_request(world(), transaction, merchant, handle)
        granted = None
        if found.grant_home is not None and found.grant_number is not None:
            grant = grants.find(transaction, RowKey(found.grant_home, found.grant_number))
            granted = grant.scope if grant else None
        return ApiResponse(200, render(found, granted))

    return world().database.read(question)


@doors.post("/consent-requests/<handle>/token")
@json_response
def fetch_token_of_request(handle: str) -> ApiResponse:
    """Fetch the consent token, within 24 hours of the yes."""
    merchant = merchant_id()

    def deed(transaction: Transaction) -> tuple[str, str]:
        found = get_request(world(), transaction, merchant, handle)
        return fetch_token(world(), transaction, found)

    return run_once(
        world(),
        idempotency_key(merchant),
        deed,
        lambda fetched: ApiResponse(200, {"token": fetched[0], "grant": fetched[1]}),
    )


def render(found: ConsentRequest, granted: Scope | None) -> dict[str, Any]:
    """Return a request as its merchant sees it."""
    here, address = world(), RowKey(found.home, found.number)
    url = f"{here.base_url}/c/{here.keyring.ids.consent_page.encode(address)}"
    body: dict[str, Any] = {
        "id": here.keyring.ids.request.encode(address),
        "status": found.status_at(here.clock.now()).value,
        "consent_url": url,
        "qr_url": f"{url}/qr.svg",
        "expires_at": found.expires_at.isoformat(),
        "reference": found.terms.reference,
    }
    if found.status is RequestStatus.GRANTED:
        grant = RowKey(found.grant_home or 0, found.grant_number or 0)
        body["grant"] = here.keyring.ids.grant.encode(grant)
        body["scope"] = scope_json(granted) if granted else None
    return body
