"""`/v1/consent-requests`: ask one consumer for consent, and fetch the token after the yes."""

from typing import Any, cast

from flask import request

from consent_tokens.consent.request import RequestedTerms
from consent_tokens.services.consents.requests import (
    RequestStanding,
    create_request,
    get_request,
    read_request,
)
from consent_tokens.services.consents.tokens import IssuedToken, fetch_token
from consent_tokens.services.consents.views import scope_json
from consent_tokens.services.idempotency import ApiResponse, run_once
from consent_tokens.web.merchant_api import (
    blueprint,
    idempotency_key,
    json_response,
    load,
    merchant_id,
)
from consent_tokens.web.merchant_api.schemas import ConsentRequestSchema
from consent_tokens.web.request_context import app_context, runtime

bp = blueprint("consent_requests")

REQUEST_SCHEMA = ConsentRequestSchema()


@bp.post("/consent-requests")
@json_response
def create_consent_request() -> ApiResponse:
    """Ask one consumer for consent; returns where to send them."""
    merchant, consent = merchant_id(), app_context().consent
    body = load(REQUEST_SCHEMA, request.get_json())
    terms, token = cast("tuple[RequestedTerms, str | None]", body)
    return run_once(
        runtime(),
        idempotency_key(merchant),
        lambda transaction: create_request(
            runtime(), consent, transaction, merchant, terms, token=token
        ),
        lambda created: ApiResponse(201, render(RequestStanding(created, None))),
    )


@bp.get("/consent-requests/<request_id>")
@json_response
def get_consent_request(request_id: str) -> ApiResponse:
    """Look at a consent request: its status, and the scope as granted."""
    return ApiResponse(200, render(read_request(runtime(), merchant_id(), request_id)))


@bp.post("/consent-requests/<request_id>/token")
@json_response
def post_fetch_token(request_id: str) -> ApiResponse:
    """Fetch the consent token, within 24 hours of the yes."""
    merchant = merchant_id()
    return run_once(
        runtime(),
        idempotency_key(merchant),
        lambda transaction: fetch_token(
            runtime(), transaction, get_request(runtime(), transaction, merchant, request_id)
        ),
        render_token,
    )


def render(standing: RequestStanding) -> dict[str, Any]:
    """Return a consent request as its merchant sees it."""
    consent_request, ids = standing.request, runtime().ids
    page_id = ids.consent_page.encode(consent_request.key)
    url = f"{runtime().service.base_url}/c/{page_id}"
    body: dict[str, Any] = {
        "id": ids.request.encode(consent_request.key),
        "status": consent_request.status_at(runtime().clock.now()).value,
        "consent_url": url,
        "qr_url": f"{url}/qr.svg",
        "expires_at": consent_request.expires_at.isoformat(),
        "reference": consent_request.terms.reference,
    }
    if consent_request.grant_key is not None:
        body["grant"] = ids.grant.encode(consent_request.grant_key)
        body["scope"] = scope_json(standing.scope) if standing.scope else None
    return body


def render_token(issued: IssuedToken) -> ApiResponse:
    """Return a token for its merchant."""
    return ApiResponse(200, {"token": issued.token, "grant": issued.grant_id})
