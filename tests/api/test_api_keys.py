"""API keys over the merchant API: scopes, networks, expiry."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest
from sqlalchemy import event

from consent_tokens.relay.admission.api_access import ALL_SCOPES, ApiAccess, ApiScope
from consent_tokens.services.admission.key_networks import add_api_key
from consent_tokens.web import create_app
from consent_tokens.web.merchant_api.operation_scopes import SCOPES
from tests.service import Merchant, Service


def with_access(merchant: Merchant, access: ApiAccess) -> Merchant:
    """Return the merchant with another key of it."""
    _, text = add_api_key(merchant.service.runtime, merchant.id, access)
    return Merchant(merchant.service, merchant.id, text)


def test_every_operation_needs_a_scope(small: Service) -> None:
    merchant, walked = small.merchant(), set()
    for rule in small.app.url_map.iter_rules():
        if not rule.rule.startswith("/v1/"):
            continue
        operation = rule.endpoint.rpartition(".")[2]
        walked.add(operation)
        path = rule.build(dict.fromkeys(rule.arguments, "x"), append_unknown=False)
        assert path
        scopes = frozenset(SCOPES[operation])
        method = next(iter((rule.methods or set()) - {"HEAD", "OPTIONS"}))
        lacking = with_access(merchant, ApiAccess(scopes=ALL_SCOPES - scopes))
        refused = lacking.call(method, path[1], {})
        assert (refused.status_code, refused.json["code"]) == (403, "insufficient_scope")
        assert frozenset(refused.json["scopes"]) == scopes
        assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
        for scope in scopes:
            answer = with_access(merchant, ApiAccess(scopes=frozenset({scope}))).call(
                method, path[1], {}
            )
            assert answer.json.get("code") not in {"unauthenticated", "insufficient_scope"}, (
                operation,
                answer.text,
            )
    assert walked == set(SCOPES)


@pytest.mark.parametrize(("hours", "status"), [(1, 200), (2, 401)])
def test_an_expired_key_is_refused(small: Service, hours: int, status: int) -> None:
    until = small.clock.now() + timedelta(hours=2)
    merchant = with_access(small.merchant(), ApiAccess(expires_at=until))
    assert merchant.get("/v1/grants").status_code == 200
    small.clock.advance(timedelta(hours=hours))
    assert merchant.get("/v1/grants").status_code == status


def test_a_key_works_only_from_its_networks(small: Service) -> None:
    inside = with_access(small.merchant(), ApiAccess(networks=(ip_network("127.0.0.0/8"),)))
    assert inside.get("/v1/grants").status_code == 200
    outside = with_access(small.merchant("夜航"), ApiAccess(networks=(ip_network("10.0.0.0/8"),)))
    refused = outside.call("GET", "/v1/grants", headers={"X-Forwarded-For": "10.1.2.3"})
    assert (refused.status_code, refused.json["code"]) == (401, "unauthenticated")


def test_messages_can_be_read_with_a_key_that_cannot_send(small: Service) -> None:
    reader = with_access(small.merchant(), ApiAccess(scopes=frozenset({ApiScope.MESSAGES_READ})))
    assert reader.get("/v1/messages").status_code == 200
    assert reader.send("x").status_code == 403


def created(merchant: Merchant, **access: object) -> tuple[str, Merchant]:
    """Have a merchant's program create a key; return its id, and the merchant with it."""
    answer = merchant.post("/v1/api-keys", {"scopes": [*ApiScope], **access})
    assert answer.status_code == 201, answer.text
    return answer.json["id"], Merchant(merchant.service, merchant.id, answer.json["api_key"])


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("scopes", ["api-keys", "consents"]),
        ("networks", ["0.0.0.0/0"]),
        ("expires_at", "2099-01-01T00:00:00Z"),
        ("rate", 601),
    ],
)
def test_a_key_creates_none_that_may_do_more(small: Service, member: str, value: object) -> None:
    until = (small.clock.now() + timedelta(days=1)).isoformat()
    scopes = ["api-keys", "messages"]
    _, agency = created(
        small.merchant(), scopes=scopes, networks=["127.0.0.0/8"], expires_at=until, rate=600
    )
    refused = agency.post("/v1/api-keys", {"scopes": ["messages"], member: value})
    assert refused.status_code == 422
    assert list(refused.json["errors"]) == [member]
    kept = agency.post("/v1/api-keys", {"scopes": ["messages:read"]}).json
    assert (kept["networks"], kept["rate"]) == (["127.0.0.0/8"], 600)
    assert kept["expires_at"] is not None


def test_a_narrower_key_manages_only_its_own(small: Service) -> None:
    principal = small.merchant()
    one_id, one = created(principal, scopes=["api-keys", "messages"])
    other_id, _ = created(principal, scopes=["messages"])
    own_id, own = created(one, scopes=["messages"])
    assert {each["id"] for each in one.get("/v1/api-keys").json["items"]} == {one_id, own_id}
    assert len(principal.get("/v1/api-keys").json["items"]) == 4
    assert one.post(f"/v1/api-keys/{other_id}/revoke").status_code == 404
    assert one.get(f"/v1/api-keys/{other_id}").status_code == 404
    assert principal.post(f"/v1/api-keys/{one_id}/revoke").json["status"] == "revoked"
    assert own.get("/v1/messages").status_code == 401
    assert small.merchant("夜航").get(f"/v1/api-keys/{other_id}").status_code == 404


def test_keys_that_a_revoked_key_created_may_be_kept(small: Service) -> None:
    principal = small.merchant()
    one_id, one = created(principal)
    _, own = created(one)
    own.post(f"/v1/api-keys/{one_id}/revoke", {"keep_created": True})
    assert one.get("/v1/grants").status_code == 401
    assert own.get("/v1/grants").status_code == 200


def test_a_new_key_is_repeated_only_to_the_key_that_created_it(small: Service) -> None:
    principal = small.merchant()
    _, agency = created(principal, scopes=["api-keys"])
    first = principal.post("/v1/api-keys", {"scopes": ["api-keys"]}, Idempotency_Key="k")
    again = principal.post("/v1/api-keys", {"scopes": ["api-keys"]}, Idempotency_Key="k")
    assert first.json == again.json
    stranger = agency.post("/v1/api-keys", {"scopes": ["api-keys"]}, Idempotency_Key="k")
    assert stranger.json["code"] == "idempotency_key_reused"


def test_a_key_has_its_rate_over_all_processes(service: Service) -> None:
    _, merchant = created(service.merchant(), rate=120)
    other = replace(service, app=create_app(service.context))  # another process on the database
    callers = [merchant, Merchant(other, merchant.id, merchant.api_key)]
    answers = [callers[n % 2].get("/v1/grants") for n in range(140)]
    allowed = [each for each in answers if each.status_code == 200]
    assert 118 <= len(allowed) <= 120
    refused = answers[-1]
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
    assert refused.headers["RateLimit-Policy"] == '"key";q=120;w=60'
    reset = refused.headers["Retry-After"]
    assert refused.headers["RateLimit"] == f'"key";r=0;t={reset}'
    service.clock.advance(timedelta(seconds=int(reset)))
    assert merchant.get("/v1/grants").headers["RateLimit"] == '"key";r=119;t=60'


def test_a_key_in_use_is_read_again_by_one_request_a_second(small: Service) -> None:
    merchant, engine = small.merchant(), small.runtime.database.engine
    meanwhile = []

    def ask(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "FROM api_keys" in statement:
            meanwhile.append(merchant.get("/v1/grants").status_code)  # the key is being read

    merchant.get("/v1/grants")
    small.clock.advance(timedelta(seconds=1))
    event.listen(engine, "before_cursor_execute", ask)
    answers = [merchant.get("/v1/grants").status_code for _ in range(2)]
    event.remove(engine, "before_cursor_execute", ask)
    assert (answers, meanwhile) == ([200, 200], [200])


def test_a_key_that_another_process_revoked_stops_at_the_next_reading(small: Service) -> None:
    merchant = small.merchant()
    key_id, other = created(merchant)
    assert other.get("/v1/grants").status_code == 200
    elsewhere = small.with_runtime(api_key_cache={})
    merchant_elsewhere = Merchant(elsewhere, merchant.id, merchant.api_key)
    assert merchant_elsewhere.post(f"/v1/api-keys/{key_id}/revoke").status_code == 200
    assert other.get("/v1/grants").status_code == 200
    small.clock.advance(timedelta(seconds=1))
    assert [other.get("/v1/grants").status_code for _ in range(2)] == [401, 401]


def test_requests_at_the_same_time_share_a_block_of_the_rate(service: Service) -> None:
    _, merchant = created(service.merchant(), rate=5000)  # a block is 100
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: merchant.get("/v1/grants"), range(16)))
    assert [each.status_code for each in answers] == [200] * 16
    other = replace(service, app=create_app(service.context))  # another process on the database
    answer = Merchant(other, merchant.id, merchant.api_key).get("/v1/grants")
    reset = answer.headers["RateLimit"].partition("t=")[2]
    assert answer.headers["RateLimit"] == f'"key";r=4899;t={reset}'  # of 200 that were taken


def test_all_keys_of_a_merchant_share_its_rate(small: Service) -> None:
    service = small.with_context(api_rate=5)
    merchant = service.merchant()
    _, other = created(merchant)
    answers = [each.get("/v1/grants") for each in (merchant, other) * 3]
    assert [each.status_code for each in answers] == [200] * 4 + [429] * 2
    assert answers[0].headers["RateLimit"].startswith('"merchant";r=3;')
    assert service.merchant("夜航").get("/v1/grants").status_code == 200
