"""`/v1/grants` and `/v1/tokens`: the merchant's own consents, and what their tokens are worth."""

from typing import Any, cast

from flask import request

from consent_tokens.consent.grant import EndReason, GrantStatus
from consent_tokens.errors import InvalidError
from consent_tokens.services.consents.revocation import revoke
from consent_tokens.services.consents.tokens import (
    GrantStanding,
    claims_of_merchant,
    describe_grants,
    get_grant,
    renew_token,
)
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
from consent_tokens.web.merchant_api.paging import Page, requested_page
from consent_tokens.web.merchant_api.schemas import TokenSchema
from consent_tokens.web.request_context import world

doors = blueprint("grants")

TOKEN = TokenSchema()


@doors.get("/grants")
@json_response
def list_grants() -> ApiResponse:
    """List the merchant's own grants, the oldest first."""
    merchant = merchant_id()
    page = requested_page()

    def question(transaction: Transaction) -> ApiResponse:
        found = grants.of_merchant(transaction, merchant, after=page.after, limit=page.limit + 1)
        shown = describe_grants(world(), transaction, found[: page.limit])
        last = found[page.limit - 1] if len(found) > page.limit else None
        cursor = Page.cursor(last.granted_at, last.number) if last else None
        return ApiResponse(200, {"items": [render(each) for each in shown], "next": cursor})

    return world().database.read(question)


@doors.get("/grants/<handle>")
@json_response
def get_grant_by_id(handle: str) -> ApiResponse:
    """Look at a grant: state, scope, what is left of the cap, next possible time."""
    merchant = merchant_id()
    return world().database.read(
        lambda transaction: ApiResponse(
            200, render(get_grant(world(), transaction, merchant, handle))
        )
    )


@doors.post("/tokens/introspect")
@json_response
def introspect() -> ApiResponse:
    """Introspect a token (RFC 7662); another's looks like none."""
    merchant, key = merchant_id(), idempotency_key(merchant_id())
    claims = claims_of_merchant(world(), merchant, _token())

    def question(transaction: Transaction) -> ApiResponse:
        if claims is None:
            return ApiResponse(200, {"active": False})
        found = get_grant(world(), transaction, merchant, claims.jti)
        now = world().clock.now()
        if (
            found.status not in {GrantStatus.LIVE, GrantStatus.PAUSED}
            or claims.scope.ends_at <= now
        ):
            return ApiResponse(200, {"active": False})
        purposes = found.grant.scope.purposes & claims.scope.purposes
        return ApiResponse(
            200,
            {
                "active": True,
                "iss": claims.issuer,
                "aud": claims.audience,
                "client_id": claims.merchant_id,
                "jti": claims.jti,
                "iat": int(claims.issued_at.timestamp()),
                "exp": int(min(claims.scope.ends_at, found.grant.scope.ends_at).timestamp()),
                "scope": " ".join(sorted(purposes)),
                "token_type": "consent+jwt",
                **_remaining(found),
            },
        )

    if key is None:
        return world().database.read(question)
    return run_once(world(), key, question, lambda answer: answer)


@doors.post("/tokens/renew")
@json_response
def post_renew() -> ApiResponse:
    """Renew a live token: the scope as it is now, under the newest key."""
    merchant, token = merchant_id(), _token()
    return run_once(
        world(),
        idempotency_key(merchant),
        lambda transaction: renew_token(world(), transaction, merchant, token),
        lambda fresh: ApiResponse(200, {"token": fresh[0], "grant": fresh[1]}),
    )


@doors.post("/tokens/revoke")
@json_response
def post_revoke() -> ApiResponse:
    """Let go of a grant (RFC 7009); a token that is not the merchant's is answered the same."""
    merchant, token = merchant_id(), _token()
    answer = run_once(
        world(), idempotency_key(merchant), lambda _: None, lambda _: ApiResponse(200, {})
    )
    claims = claims_of_merchant(world(), merchant, token)
    address = world().keyring.ids.grant.decode(claims.jti) if claims else None
    if address:  # again, too, for a repeated key: ending twice is ending once
        revoke(world(), address, EndReason.MERCHANT)
    return answer


def render(found: GrantStanding) -> dict[str, Any]:
    """Return a grant as its merchant sees it."""
    return {
        "grant": found.grant_id,
        "state": found.status.value,
        "scope": scope_json(found.grant.scope),
        "granted_at": found.grant.granted_at.isoformat(),
        **_remaining(found),
    }


def _remaining(found: GrantStanding) -> dict[str, Any]:
    next_at = found.next_at.isoformat() if found.next_at else None
    return {"remaining": found.remaining, "next_at": next_at}


def _token() -> str:
    """Return the token in a form (RFC 7662, 2.1) or in JSON. Raises InvalidError."""
    is_form = request.mimetype == "application/x-www-form-urlencoded"
    body = request.form.to_dict() if is_form else request.get_json()
    members = cast("dict[str, str]", load(TOKEN, body))
    if not members:
        raise InvalidError({"token": ["Missing data for required field."]})
    return members["token"]
