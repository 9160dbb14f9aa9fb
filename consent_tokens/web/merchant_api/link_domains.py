"""`/v1/link-domains`: the domains that the merchant's texts may link to."""

from consent_tokens.services.merchants import read_link_domains
from consent_tokens.web.merchant_api.answers import LinkDomainsAnswer
from consent_tokens.web.merchant_api.blueprint import ApiBlueprint
from consent_tokens.web.request_context import runtime

bp = ApiBlueprint("link_domains", "Where the merchant's texts may link to.")


@bp.get("/link-domains")
@bp.answer(200, LinkDomainsAnswer())
def list_link_domains(merchant_id: str) -> dict[str, list[str]]:
    """List the domains that the operator has registered for the merchant; none means any."""
    return {"domains": read_link_domains(runtime(), merchant_id)}
