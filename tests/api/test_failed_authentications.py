"""Calls without a valid API key: counted, logged without a secret, and not too often."""

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from consent_tokens.services.own_api_keys import revoke_api_key
from consent_tokens.web.failed_authentications import MAX_LOGGED, kind_of_address
from tests.service import Service


def counted(reason: str) -> float:
    name = "consent_authentication_failures_total"
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0


def test_each_failure_is_counted_and_logged_with_its_reason(small: Service) -> None:
    merchant, gone = small.merchant(), small.merchant("夜航")
    key = merchant.api_key
    known, revoked = (f"key_{each.split('_')[1]}" for each in (key, gone.api_key))
    revoke_api_key(small.runtime, revoked)
    cases = {
        "missing": ("", None),
        "malformed": ("Bearer 13812345678", None),
        "unknown": (f"Bearer ctk_{'0' * 16}_{'A' * 43}", None),
        "wrong": (f"Bearer {key[:-3]}AAA", known),
        "revoked": (f"Bearer {gone.api_key}", revoked),
    }
    for reason, (header, key_id) in cases.items():
        before = counted(reason)
        with capture_logs() as lines:
            answer = small.app.test_client().get("/v1/grants", headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.get_json()["code"] == "unauthenticated"
        assert counted(reason) == before + 1
        assert lines == [
            {
                "event": "authentication_failed", "log_level": "warning", "reason": reason,
                "key_id": key_id, "client": "loopback",
            }
        ]  # fmt: skip


def test_many_failures_are_logged_up_to_a_rate_and_then_as_a_number(small: Service) -> None:
    client, before = small.app.test_client(), counted("missing")
    with capture_logs() as lines:
        for _ in range(MAX_LOGGED + 30):
            client.get("/v1/grants")
        assert len(lines) == MAX_LOGGED
        small.clock.advance(timedelta(minutes=2))
        client.get("/v1/grants")
    assert lines[MAX_LOGGED]["event"] == "authentication_failures_not_logged"
    assert lines[MAX_LOGGED]["count"] == 30
    assert len(lines) == MAX_LOGGED + 2
    assert counted("missing") == before + MAX_LOGGED + 31


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"), ("::1", "loopback"), ("10.1.2.3", "private"),
        ("8.8.8.8", "public"), ("2606:4700::1", "public"), ("elsewhere", "unknown"),
    ],
)  # fmt: skip
def test_of_an_address_only_its_kind_is_logged(address: str, kind: str) -> None:
    assert kind_of_address(address) == kind
