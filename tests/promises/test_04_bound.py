"""Promise 4: a token works only for the merchant that it names."""

from pathlib import Path

from consent_tokens.services.own_api_keys import revoke_api_key
from tests.service import PROMOTIONS, Merchant, Service


def calls(
    merchant: Merchant, token: str, request: str, grant: str, message: str
) -> dict[str, object]:
    """Return what every call answers to whoever tries it with these."""
    draft = {"token": token, "purpose": PROMOTIONS, "text": "x"}
    batch = merchant.post("/v1/messages/batch", {"messages": [draft]}).json["results"][0]
    return {
        "send": merchant.send(token).json.get("code"),
        "batch": batch.get("problem", {}).get("code"),
        "introspect": merchant.post("/v1/tokens/introspect", {"token": token}).json,
        "renew": merchant.post("/v1/tokens/renew", {"token": token}).json.get("code"),
        "revoke": merchant.post("/v1/tokens/revoke", {"token": token}).json,
        "request": merchant.get(f"/v1/consent-requests/{request}").json.get("code"),
        "fetch": merchant.post(f"/v1/consent-requests/{request}/token").json.get("code"),
        "grant": merchant.get(f"/v1/grants/{grant}").json.get("code"),
        "message": merchant.get(f"/v1/messages/{message}").json.get("code"),
        "reference": merchant.get("/v1/messages?reference=theirs").json["items"],
        "grants": merchant.get("/v1/grants").json["items"],
    }


def test_for_another_merchant_every_call_is_worthless_and_live_looks_like_revoked(
    service: Service,
) -> None:
    owner, thief = service.merchant("甲"), service.merchant("乙")
    consumer = service.consumer()
    request = owner.ask(**{"from": "00:00", "to": "24:00"})
    consumer.agree(request["path"], PROMOTIONS)
    token = owner.token(request)
    grant = owner.get("/v1/grants").json["items"][0]["id"]
    message = owner.send(token, reference="theirs").json["id"]
    live = calls(thief, token, request["id"], grant, message)
    assert live == {
        "send": "token_not_yours",
        "batch": "token_not_yours",
        "introspect": {"active": False},
        "renew": "not_found",
        "revoke": {},
        "request": "not_found",
        "fetch": "not_found",
        "grant": "not_found",
        "message": "not_found",
        "reference": [],
        "grants": [],
    }
    # the thief's "revoke" revoked nothing
    assert owner.post("/v1/tokens/introspect", {"token": token}).json["active"] is True
    owner.post("/v1/tokens/revoke", {"token": token})
    assert calls(thief, token, request["id"], grant, message) == live


def test_a_consumer_ends_only_their_own(service: Service) -> None:
    merchant = service.merchant()
    one, other = service.consumer(), service.consumer("+447400123771")
    token = service.obtain_token(merchant, one)
    grant = merchant.get("/v1/grants").json["items"][0]["id"]
    page = other.log_in().text
    assert other.post("/my", page, action="revoke", grant=grant).status_code == 404
    assert merchant.send(token).status_code == 202


def test_an_api_key_that_was_revoked_opens_nothing(service: Service) -> None:
    merchant = service.merchant()
    assert merchant.get("/v1/grants").status_code == 200
    name = merchant.api_key.split("_")[1]
    revoke_api_key(service.runtime, f"key_{name}")
    refused = merchant.get("/v1/grants")
    assert (refused.status_code, refused.json["code"]) == (401, "unauthenticated")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_api_key_is_nowhere_in_the_database(small: Service) -> None:
    merchant = small.merchant()
    secret = merchant.api_key.split("_", 2)[2].encode()
    path = small.runtime.database.engine.url.database
    assert path
    written = b"".join(each.read_bytes() for each in Path(path).parent.glob("consent.db*"))
    assert secret not in written
    assert merchant.api_key.split("_")[1].encode() in written
