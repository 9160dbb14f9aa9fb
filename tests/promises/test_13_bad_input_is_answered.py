"""Promise 13: bad input is a problem with a stable code and the field at fault."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service import PROMOTIONS, Service

POSTS = [
    "/v1/consent-requests", "/v1/messages", "/v1/messages/batch", "/v1/tokens/introspect",
    "/v1/tokens/renew", "/v1/tokens/revoke",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)
DRAFTS = st.fixed_dictionaries(
    {},
    optional={
        "token": JSON, "purpose": JSON, "text": st.text() | JSON, "reference": JSON,
        "send_at": st.datetimes().map(lambda at: at.isoformat() + "+14:00") | JSON,
        "valid_for_minutes": JSON,
    },
)  # fmt: skip
QUESTIONS = st.fixed_dictionaries(
    {"purposes": st.just([PROMOTIONS]) | JSON},
    optional={
        "max_messages": JSON, "per_days": JSON, "from": JSON, "to": JSON, "expires_in_days": JSON,
        "reference": JSON, "return_url": st.text() | JSON, "locale": JSON,
    },
)  # fmt: skip
MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def is_problem(answer: Any) -> bool:  # noqa: ANN401 - a response
    """Whether an answer is an RFC 9457 problem that says what it must (3.1)."""
    body = answer.json
    assert answer.content_type == "application/problem+json", answer.text
    assert {"type", "title", "status", "detail", "code"} <= body.keys()
    assert body["status"] == answer.status_code
    return True


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", "application/json", 400, "json_malformed"),
        (b"{", "application/json", 400, "json_malformed"),
        (b"\xff\xfe", "application/json", 400, "json_malformed"),
        (b"[" * 100_000, "application/json", 400, "json_malformed"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"[]", "application/json", 422, "invalid"),
        (b"null", "application/json", 422, "invalid"),
        (b'"text"', "application/json", 422, "invalid"),
        (b"NaN", "application/json", 400, "json_malformed"),
        (b"{}", "application/json", 422, "invalid"),
        (b'{"unknown": 1}', "application/json", 422, "invalid"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_no_request_is_a_problem(
    small: Service, path: str, body: bytes, kind: str, status: int, code: str
) -> None:
    merchant = small.merchant()
    answer = small.app.test_client().post(
        path,
        data=body,
        content_type=kind,
        headers={"Authorization": f"Bearer {merchant.api_key}"},
    )
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert is_problem(answer)


@pytest.mark.slow
@MANY
@given(draft=DRAFTS)
def test_no_message_crashes_it(small: Service, draft: dict[str, Any]) -> None:
    merchant = small.merchant()
    for path, body in (
        ("/v1/messages", draft),
        ("/v1/messages/batch", {"messages": [draft, draft]}),
        ("/v1/messages/batch", {"messages": draft}),
    ):
        answer = small.app.test_client().post(
            path,
            data=json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {merchant.api_key}"},
        )
        assert answer.status_code < 500, answer.text


@pytest.mark.slow
@MANY
@given(question=QUESTIONS)
def test_no_question_crashes_it(small: Service, question: dict[str, Any]) -> None:
    merchant = small.merchant()
    answer = merchant.post("/v1/consent-requests", json.loads(json.dumps(question)))
    assert answer.status_code in {201, 400, 422}, answer.text
    if answer.status_code == 201:
        assert small.app.test_client().get(answer.json["consent_url"]).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("purposes", []), ("purposes", ["marketing.nonsense"]), ("purposes", "x"),
        ("max_messages", 0), ("max_messages", 1001), ("max_messages", 1.5), ("max_messages", "4"),
        ("per_days", 0), ("per_days", 366), ("from", "9:00"), ("from", "25:00"), ("to", "08:00"),
        ("to", "24:01"), ("expires_in_days", 0), ("expires_in_days", 100000), ("locale", "xx"),
        ("return_url", "javascript:alert(1)"), ("return_url", "http://shop.example"),
        ("return_url", "https://user@evil.example"), ("reference", "x" * 101), ("reference", "a\n"),
    ],
)  # fmt: skip
def test_the_field_at_fault_is_named(small: Service, field: str, value: object) -> None:
    answer = small.merchant().post("/v1/consent-requests", {"purposes": [PROMOTIONS], field: value})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert any(name.split(".")[0] == field for name in answer.json["errors"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404), ("DELETE", "/v1/messages", 405),
        ("TRACE", "/v1/messages", 405), ("GET", "/v1/messages/msg_x", 404),
        ("GET", "/v1/messages/" + "x" * 5000, 404), ("GET", "/v1/grants/" + "A" * 22, 404),
        ("GET", "/v1/consent-requests/req_" + "A" * 22, 404),
        ("GET", "/v1/grants?limit=0", 422), ("GET", "/v1/grants?limit=" + "9" * 5000, 422),
        ("GET", "/v1/grants?limit=%C2%B2", 422), ("GET", "/v1/grants?cursor=forged", 422),
        ("GET", "/v1/messages?status=lost", 422), ("GET", "/v1/grants?cursor=" + "A" * 5000, 422),
        ("GET", "/v1/grants?created_from=yesterday", 422),
        ("GET", "/v1/grants?created_from=2026-01-01T00:00:00", 422),
        ("GET", "/v1/messages?reference=%00", 422),
    ],
)  # fmt: skip
def test_strange_addresses_are_problems(
    service: Service, method: str, path: str, status: int
) -> None:
    answer = service.merchant().call(method, path)
    assert answer.status_code == status
    assert is_problem(answer)


@pytest.mark.parametrize("key", ["", "x", "Basic abc", "Bearer", "Bearer ", "Bearer ctk_0_0"])
def test_without_a_key_there_is_nothing(service: Service, key: str) -> None:
    for path in POSTS:
        answer = service.app.test_client().post(path, json={}, headers={"Authorization": key})
        assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("path", ["/c/x", "/c/" + "A" * 22, "/m/x", "/m/" + "_" * 22, "/nothing"])
def test_a_page_that_is_not_there_is_a_page(service: Service, path: str) -> None:
    answer = service.app.test_client().get(path)
    assert answer.status_code == 404
    assert answer.content_type.startswith("text/html")
    assert "Traceback" not in answer.text


def test_too_much_is_refused_before_it_is_read(small: Service) -> None:
    merchant = small.merchant()
    headers = {"Authorization": f"Bearer {merchant.api_key}"}
    answer = small.app.test_client().post(
        "/v1/messages", data=b" " * (9 * 1024 * 1024), content_type="application/json",
        headers=headers,
    )  # fmt: skip
    assert (answer.status_code, answer.json["code"]) == (413, "request_entity_too_large")
    consumer = small.consumer()
    consumer.get("/my")
    form = consumer.browser.post("/my", data={"phone": "1" * 100_000})
    assert form.status_code == 413


def test_a_batch_that_is_too_large_or_empty_is_refused_whole(small: Service) -> None:
    merchant = small.merchant()
    cases: list[list[object]] = [[], [{}] * 1001]
    for items in cases:
        answer = merchant.post("/v1/messages/batch", {"messages": items})
        assert answer.status_code == 422
        assert "messages" in answer.json["errors"]


def test_a_crash_tells_nothing_and_is_answered(
    small: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_length: int) -> bytes:
        raise RuntimeError("secret detail +8613912340917")

    merchant = small.merchant()
    monkeypatch.setattr(type(small.runtime.random), "token_bytes", lambda _self, size: broken(size))
    answer = merchant.post("/v1/consent-requests", {"purposes": [PROMOTIONS]})
    assert (answer.status_code, answer.json["code"]) == (500, "internal")
    assert "secret" not in answer.text
