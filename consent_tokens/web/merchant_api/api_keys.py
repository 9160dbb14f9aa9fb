"""`/v1/api-keys`: a merchant's own API keys; a key creates none that may do more than itself."""

from typing import Any

from consent_tokens.relay.admission.api_access import ApiKey
from consent_tokens.services import own_api_keys
from consent_tokens.services.admission.key_networks import create_own_key
from consent_tokens.services.api_keys import new_api_key, parse_access
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.web.merchant_api.api_key_schemas import (
    ApiKeyAnswer,
    ApiKeyIn,
    ApiKeyList,
    CreatedApiKey,
    RevocationIn,
)
from consent_tokens.web.merchant_api.blueprint import Answer, ApiBlueprint
from consent_tokens.web.request_context import api_key, runtime

bp = ApiBlueprint("api_keys", "Keys that may do no more than the one that you use.")


@bp.post("/api-keys")
@bp.body(ApiKeyIn())
@bp.answer_once(201, CreatedApiKey(), is_of_key=True)
@bp.problems(409)
def create_api_key(merchant_id: str, body: dict[str, Any], answer: Answer) -> ApiResponse:
    """Create an API key, which is shown this once. What is left out is as of the key you use."""
    own = api_key()
    members: dict[str, Any] = {
        "networks": own.access.networks and [str(each) for each in own.access.networks],
        "expires_at": own.access.expires_at,
        "rate": own.access.rate,
        "test": own.access.is_test,
        **body,
    }
    is_test = members.pop("test")
    access = parse_access(now=runtime().clock.now(), is_test=is_test, **members)
    key, text = new_api_key(runtime(), merchant_id, access, own.id)
    return answer.once(lambda transaction: (create_own_key(runtime(), transaction, own, key), text))


@bp.get("/api-keys")
@bp.answer(200, ApiKeyList())
def list_api_keys(merchant_id: str) -> dict[str, Any]:
    """List the keys created with the one you use, and itself; all, if that one is unlimited."""
    del merchant_id
    return {"items": own_api_keys.list_managed(runtime(), api_key()), "next": None}


@bp.get("/api-keys/<key_id>")
@bp.answer(200, ApiKeyAnswer())
@bp.problems(404)
def get_api_key(merchant_id: str, key_id: str) -> ApiKey:
    """Return an API key, without its secret."""
    del merchant_id
    return own_api_keys.get_managed(runtime(), api_key(), key_id)


@bp.post("/api-keys/<key_id>/revoke")
@bp.body(RevocationIn())
@bp.answer_once(200, ApiKeyAnswer(), is_of_key=True)
@bp.problems(404)
def revoke_api_key(
    merchant_id: str, key_id: str, body: dict[str, Any], answer: Answer
) -> ApiResponse:
    """Revoke an API key and, unless `keep_created`, the keys that were created with it."""
    del merchant_id
    response = answer.once(
        lambda transaction: own_api_keys.revoke_managed(
            runtime(), transaction, api_key(), key_id, keep_created=body["keep_created"]
        )
    )
    own_api_keys.clear_cache(runtime())
    return response
