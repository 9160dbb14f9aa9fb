"""`/v1/tokens`: introspect, renew and revoke consent tokens."""

from consent_tokens.services.consents import tokens
from consent_tokens.services.consents.revocation import revoke_by_token
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.services.token_verification import PresentedToken, verify_to_renew
from consent_tokens.web.merchant_api.answers import (
    IntrospectionAnswer,
    NothingAnswer,
    TokenAnswer,
)
from consent_tokens.web.merchant_api.blueprint import Answer, ApiBlueprint
from consent_tokens.web.merchant_api.schemas import TokenIn
from consent_tokens.web.request_context import runtime

bp = ApiBlueprint("tokens", "Consent tokens.")


@bp.post("/tokens/introspect")
@bp.body_or_form(TokenIn())
@bp.answer_once(200, IntrospectionAnswer())
@bp.problems(404)
def introspect_token(merchant_id: str, body: str, answer: Answer) -> ApiResponse:
    """Introspect a token (RFC 7662); another merchant's is inactive."""
    claims = tokens.claims_of_merchant(runtime(), merchant_id, body)
    return answer.once(
        lambda transaction: tokens.introspect(runtime(), transaction, merchant_id, claims),
        read_only=True,
    )


@bp.post("/tokens/renew")
@bp.body_or_form(TokenIn())
@bp.answer_once(200, TokenAnswer())
@bp.problems(403, 404, 409)
def renew_token(merchant_id: str, body: str, answer: Answer) -> ApiResponse:
    """Renew a live token: the scope as it is now, under the newest key."""
    verified = verify_to_renew(runtime(), PresentedToken(merchant_id, body))
    return answer.once(
        lambda transaction: tokens.renew_token(runtime(), transaction, merchant_id, verified)
    )


@bp.post("/tokens/revoke")
@bp.body_or_form(TokenIn())
@bp.answer_once(200, NothingAnswer())
def revoke_token(merchant_id: str, body: str, answer: Answer) -> ApiResponse:
    """Revoke the grant of a token (RFC 7009); any other token is answered alike."""
    response = answer.once(lambda _: None)
    revoke_by_token(runtime(), merchant_id, body)  # for a repeated key too: revoking is idempotent
    return response
