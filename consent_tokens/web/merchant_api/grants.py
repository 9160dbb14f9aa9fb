"""`/v1/grants`: the merchant's own grants."""

from typing import Any

from consent_tokens.services.consents import tokens
from consent_tokens.web.merchant_api.answers import GrantAnswer, GrantPage
from consent_tokens.web.merchant_api.blueprint import ApiBlueprint
from consent_tokens.web.merchant_api.paging import list_page
from consent_tokens.web.merchant_api.schemas import GrantsQuery, RequestedPage
from consent_tokens.web.request_context import runtime

bp = ApiBlueprint("grants", "The merchant's own grants.")


@bp.get("/grants")
@bp.query(GrantsQuery())
@bp.answer(200, GrantPage())
def list_grants(merchant_id: str, query: RequestedPage) -> dict[str, Any]:
    """List the merchant's grants, the oldest first."""
    return list_page(
        merchant_id,
        "grants",
        query,
        lambda wanted: tokens.list_grants(runtime(), merchant_id, wanted),
        lambda each: (each.grant.granted_at, each.grant.key.id),
    )


@bp.get("/grants/<grant_id>")
@bp.answer(200, GrantAnswer())
@bp.problems(404)
def get_grant(merchant_id: str, grant_id: str) -> tokens.GrantStanding:
    """Return a grant: its status, its scope, what is left of the cap, the next possible time."""
    return tokens.read_grant(runtime(), merchant_id, grant_id)
