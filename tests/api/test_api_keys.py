"""API keys over the merchant API: scopes, networks, expiry."""

from datetime import timedelta
from ipaddress import ip_network

import pytest

from consent_tokens.relay.admission.api_access import ALL_SCOPES, ApiAccess, ApiScope
from consent_tokens.services.api_keys import add_api_key
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
            assert answer.status_code not in {401, 403}, (operation, answer.text)
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
