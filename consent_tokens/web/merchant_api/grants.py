"""`/v1/grants` and `/v1/tokens`: the merchant's own grants, and what their tokens are worth."""

from typing import Any, cast

from flask import request

from consent_tokens.errors import InvalidError
from consent_tokens.services.consents.revocation import revoke_by_token
from consent_tokens.services.consents.tokens import (
    GrantStanding,
    Introspection,
    introspect,
    list_grants,
    read_grant,
    renew_token,
)
from consent_tokens.services.consents.views import scope_json
from consent_tokens.services.idempotency import ApiResponse, run_once
from consent_tokens.web.merchant_api import (
    blueprint,
    idempotency_key,
    json_response,
    load,
    merchant_id,
)
from consent_tokens.web.merchant_api.paging import requested_page
from consent_tokens.web.merchant_api.requests import render_token
from consent_tokens.web.merchant_api.schemas import TokenSchema
from consent_tokens.web.request_context import runtime

bp = blueprint("grants")

TOKEN_SCHEMA = TokenSchema()


@bp.get("/grants")
@json_response
def get_grants() -> ApiResponse:
    """List the merchant's own grants, the oldest first."""
    merchant, page = merchant_id(), requested_page()
    found = list_grants(runtime(), merchant, after=page.after, limit=page.lookahead)
    return page.response(found, lambda each: (each.grant.granted_at, each.grant.key.id), render)


@bp.get("/grants/<grant_id>")
@json_response
def get_grant(grant_id: str) -> ApiResponse:
    """Look at a grant: status, scope, what is left of the cap, next possible time."""
    return ApiResponse(200, render(read_grant(runtime(), merchant_id(), grant_id)))


@bp.post("/tokens/introspect")
@json_response
def introspect_token() -> ApiResponse:
    """Introspect a token (RFC 7662); another merchant's looks like none."""
    merchant, token = merchant_id(), _token()
    return run_once(
        runtime(),
        idempotency_key(merchant),
        lambda transaction: introspect(runtime(), transaction, merchant, token),
        lambda found: ApiResponse(200, render_introspection(found)),
        read_only=True,
    )


@bp.post("/tokens/renew")
@json_response
def post_renew() -> ApiResponse:
    """Renew a live token: the scope as it is now, under the newest key."""
    merchant, token = merchant_id(), _token()
    return run_once(
        runtime(),
        idempotency_key(merchant),
        lambda transaction: renew_token(runtime(), transaction, merchant, token),
        render_token,
    )


@bp.post("/tokens/revoke")
@json_response
def post_revoke() -> ApiResponse:
    """Revoke a token's grant (RFC 7009); a token that is not the merchant's is answered alike."""
    merchant, token = merchant_id(), _token()
    response = run_once(
        runtime(), idempotency_key(merchant), lambda _: None, lambda _: ApiResponse(200, {})
    )
    revoke_by_token(runtime(), merchant, token)  # for a repeated key too: revoking is idempotent
    return response


def render(standing: GrantStanding) -> dict[str, Any]:
    """Return a grant as its merchant sees it."""
    return {
        "id": standing.grant_id,
        "status": standing.status.value,
        "scope": scope_json(standing.grant.scope),
        "granted_at": standing.grant.granted_at.isoformat(),
        **_remaining(standing),
    }


def render_introspection(found: Introspection | None) -> dict[str, Any]:
    """Return what RFC 7662, 2.2 answers; None is a token that is worth nothing."""
    if found is None:
        return {"active": False}
    return {
        "active": True,
        "iss": found.claims.issuer,
        "aud": found.claims.audience,
        "client_id": found.claims.merchant_id,
        "jti": found.claims.jti,
        "iat": int(found.claims.issued_at.timestamp()),
        "exp": int(found.expires_at.timestamp()),
        "scope": " ".join(sorted(found.purposes)),
        "token_type": "consent+jwt",
        **_remaining(found.standing),
    }


def _remaining(standing: GrantStanding) -> dict[str, Any]:
    next_at = standing.next_at.isoformat() if standing.next_at else None
    return {"remaining": standing.remaining, "next_at": next_at}


def _token() -> str:
    """Return the token in a form (RFC 7662, 2.1) or in JSON. Raises InvalidError."""
    is_form = request.mimetype == "application/x-www-form-urlencoded"
    body = request.form.to_dict() if is_form else request.get_json()
    members = cast("dict[str, str]", load(TOKEN_SCHEMA, body))
    if not members:
        raise InvalidError({"token": ["Missing data for required field."]})
    return members["token"]
