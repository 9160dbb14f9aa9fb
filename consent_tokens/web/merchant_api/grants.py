"""`/v1/grants` and `/v1/tokens`: the merchant's own consents, and what their tokens are worth."""

from typing import Any, cast

from flask import request

from consent_tokens.consent.grant import EndedBy, GrantState
from consent_tokens.errors import InvalidError
from consent_tokens.services.consents.revocation import end
from consent_tokens.services.consents.tokens import (
    Standing,
    own_claims,
    renew,
    standing_of,
    standings,
)
from consent_tokens.services.consents.views import scope_json
from consent_tokens.services.idempotency import Answer, once
from consent_tokens.store import grants
from consent_tokens.store.database import Transaction
from consent_tokens.web.merchant_api import blueprint, for_merchant, loaded, merchant_id, once_key
from consent_tokens.web.merchant_api.paging import Page, page_asked
from consent_tokens.web.merchant_api.schemas import TokenSchema
from consent_tokens.web.request_context import world

doors = blueprint("grants")

TOKEN = TokenSchema()


@doors.get("/grants")
@for_merchant
def list_grants() -> Answer:
    """List the merchant's own grants, the oldest first."""
    merchant = merchant_id()
    page = page_asked()

    def question(transaction: Transaction) -> Answer:
        found = grants.of_merchant(transaction, merchant, after=page.after, limit=page.limit + 1)
        shown = standings(world(), transaction, found[: page.limit])
        last = found[page.limit - 1] if len(found) > page.limit else None
        cursor = Page.cursor(last.granted, last.number) if last else None
        return Answer(200, {"items": [rendered(each) for each in shown], "next": cursor})

    return world().store.read(question)


@doors.get("/grants/<handle>")
@for_merchant
def look_at_grant(handle: str) -> Answer:
    """Look at a grant: state, scope, what is left of the cap, next possible time."""
    merchant = merchant_id()
    return world().store.read(
        lambda transaction: Answer(
            200, rendered(standing_of(world(), transaction, merchant, handle))
        )
    )


@doors.post("/tokens/introspect")
@for_merchant
def introspect() -> Answer:
    """Introspect a token (RFC 7662); another's looks like none."""
    merchant, key = merchant_id(), once_key(merchant_id())
    claims = own_claims(world(), merchant, _token())

    def question(transaction: Transaction) -> Answer:
        if claims is None:
            return Answer(200, {"active": False})
        found = standing_of(world(), transaction, merchant, claims.handle)
        now = world().clock.now()
        if found.state not in {GrantState.LIVE, GrantState.PAUSED} or claims.scope.ends <= now:
            return Answer(200, {"active": False})
        purposes = found.grant.scope.purposes & claims.scope.purposes
        return Answer(
            200,
            {
                "active": True,
                "iss": claims.issuer,
                "aud": claims.audience,
                "client_id": claims.merchant_id,
                "jti": claims.handle,
                "iat": int(claims.issued.timestamp()),
                "exp": int(min(claims.scope.ends, found.grant.scope.ends).timestamp()),
                "scope": " ".join(sorted(purposes)),
                "token_type": "consent+jwt",
                **_left(found),
            },
        )

    if key is None:
        return world().store.read(question)
    return once(world(), key, question, lambda answer: answer)


@doors.post("/tokens/renew")
@for_merchant
def renew_token() -> Answer:
    """Renew a live token: the scope as it is now, under the newest key."""
    merchant, token = merchant_id(), _token()
    return once(
        world(),
        once_key(merchant),
        lambda transaction: renew(world(), transaction, merchant, token),
        lambda fresh: Answer(200, {"token": fresh[0], "grant": fresh[1]}),
    )


@doors.post("/tokens/revoke")
@for_merchant
def revoke_token() -> Answer:
    """Let go of a grant (RFC 7009); a token that is not the merchant's is answered the same."""
    merchant, token = merchant_id(), _token()
    answer = once(world(), once_key(merchant), lambda _: None, lambda _: Answer(200, {}))
    claims = own_claims(world(), merchant, token)
    address = world().keyring.handles.grant.find(claims.handle) if claims else None
    if address:  # again, too, for a repeated key: ending twice is ending once
        end(world(), address, EndedBy.MERCHANT)
    return answer


def rendered(found: Standing) -> dict[str, Any]:
    """Return a grant as its merchant sees it."""
    return {
        "grant": found.handle,
        "state": found.state.value,
        "scope": scope_json(found.grant.scope),
        "granted_at": found.grant.granted.isoformat(),
        **_left(found),
    }


def _left(found: Standing) -> dict[str, Any]:
    next_at = found.next_at.isoformat() if found.next_at else None
    return {"remaining": found.remaining, "next_at": next_at}


def _token() -> str:
    """Return the token in a form (RFC 7662, 2.1) or in JSON. Raises InvalidError."""
    is_form = request.mimetype == "application/x-www-form-urlencoded"
    body = request.form.to_dict() if is_form else request.get_json()
    members = cast("dict[str, str]", loaded(TOKEN, body))
    if not members:
        raise InvalidError({"token": ["Missing data for required field."]})
    return members["token"]
