"""What is not strict JSON is refused as a whole: a 400 that says where, and nothing done."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from consent_tokens.errors import MalformedJsonError
from consent_tokens.store.tables import consent_requests, idempotency_responses, messages
from consent_tokens.web import strict_json
from consent_tokens.web.strict_json import MAX_DEPTH, MAX_VALUES, count_quotes, parse
from tests.service import ORDERS, Merchant, Page, Service

HALF = "\ud83d"
MARK = "\N{BLACK CHESS KNIGHT}"  # where the fault is put into the JSON


def count(service: Service, table: Any) -> int:  # noqa: ANN401 - a table
    query = select(func.count()).select_from(table)
    return int(service.runtime.database.read(lambda transaction: transaction.scalar(query)) or 0)


def places(value: Any) -> Iterator[tuple[Any, str]]:  # noqa: ANN401 - JSON
    """Copies of a value, each with MARK in place of one value or one name, and its pointer."""
    yield MARK, ""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
        for name in value:
            yield {(MARK if key == name else key): inner for key, inner in items}, ""
    if isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        for marked, path in places(inner):
            copy = value.copy()
            copy[key] = marked
            yield copy, f"/{key}{path}"


def with_faults(value: Any) -> Iterator[tuple[bytes, str]]:  # noqa: ANN401 - JSON
    """JSON texts with one fault each, and the pointer of the fault."""
    for marked, path in places(value):
        text = json.dumps(marked, ensure_ascii=False)
        quoted = f'"{MARK}"'
        yield text.replace(MARK, "\\ud83d").encode(), path
        if f"{quoted}:" in text:
            continue  # a name
        for fault in ("NaN", "-Infinity", "1e999", "9" * 40, '{"a":1,"a":1}'):
            yield text.replace(quoted, fault).encode(), path
    for text in twice(value):
        yield text.encode(), "*"


def twice(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """JSON texts in which one member occurs twice, alike or with an escape in its name."""
    if isinstance(value, dict):
        body = json.dumps(value)
        for name, inner in value.items():
            escaped = f"\\u{ord(name[0]):04x}{name[1:]}"
            yield f'{body[:-1]}, "{escaped}": {json.dumps(inner)}}}'
            for text in twice(inner):
                yield body.replace(json.dumps(inner), text, 1)
    if isinstance(value, list):
        for place, inner in enumerate(value):
            for text in twice(inner):
                items = [json.dumps(each) for each in value]
                yield f"[{', '.join([*items[:place], text, *items[place + 1 :]])}]"


def post(merchant: Merchant, path: str, body: bytes, key: str | None = None) -> Page:
    headers = {"Authorization": f"Bearer {merchant.api_key}"}
    if key is not None:
        headers["Idempotency-Key"] = key
    return merchant.service.app.test_client().post(
        path, data=body, content_type="application/json", headers=headers
    )


@pytest.mark.parametrize("has_key", [False, True])
def test_a_fault_anywhere_rejects_the_whole_request(service: Service, has_key: bool) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    single = {
        "token": token, "purpose": ORDERS, "text": '您的"书" \\ 😀', "reference": "r",
        "send_at": service.clock.now().isoformat(), "valid_for_minutes": 9,
    }  # fmt: skip
    before = count(service, messages), count(service, idempotency_responses)
    tried = 0
    for path, whole in (
        ("/v1/messages", single),
        ("/v1/messages/batch", {"messages": [single, {"text": "invalid"}, single]}),
    ):
        for place, (body, pointer) in enumerate(with_faults(whole)):
            answer = post(merchant, path, body, f"{path} {place}" if has_key else None)
            assert (answer.status_code, answer.json["code"]) == (400, "json_malformed"), body
            assert pointer in {"*", answer.json["pointer"]}, (body, answer.json)
            tried += 1
        assert post(merchant, path, json.dumps(whole).encode()).status_code in {200, 202}
    assert tried > 100
    accepted = 3  # of the two that were sound
    assert count(service, messages) == before[0] + accepted
    assert count(service, idempotency_responses) == before[1]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", {"offset": 0}),
        (b"\xef\xbb\xbf{}", {"offset": 0}),
        ("{}".encode("utf-16"), {"offset": 0}),
        (b'{"a": "\xff"}', {"offset": 7}),
        (b'{"a": "\xed\xa0\x80"}', {"offset": 7}),
        ('{"书": x}'.encode(), {"offset": 8}),
        (b'{"a": 1} {}', {"offset": 9}),
        (b'{"a/b~": [0, NaN]}', {"pointer": "/a~1b~0/1"}),
        (b'{"a": {"\\ud800": 1}}', {"pointer": "/a"}),
        (b'{"a": {"b": 1, "b": NaN}}', {"pointer": "/a"}),
        (b'{"a": [1, {"b": 1, "\\u0062": 2}]}', {"pointer": "/a/1"}),
        (b'{"a": %d}' % 2**53, {"pointer": "/a"}),
        (b'{"a": -%d}' % 10**400, {"pointer": "/a"}),
        (b"[" * 100_000, {"offset": 0}),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), {"pointer": "/0" * MAX_DEPTH}),
        (b"[" + b"0," * MAX_VALUES + b"0]", {"pointer": ""}),
        (b'{"%s": NaN}' % (b"x" * 5000), {"pointer": ""}),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_where_the_fault_is(body: bytes, place: dict[str, object]) -> None:
    with pytest.raises(MalformedJsonError) as caught:
        parse(body)
    found = {"pointer": caught.value.pointer, "offset": caught.value.offset}
    assert {name: value for name, value in found.items() if value is not None} == place


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=9,
)  # fmt: skip


@given(value=ANY, ascii_only=st.booleans())
def test_what_is_strict_json_is_read(value: object, ascii_only: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(texts=st.lists(st.text(st.sampled_from('ab"\\\n书')), max_size=5), ascii_only=st.booleans())
def test_quotes_of_strings_are_counted(texts: list[str], ascii_only: bool) -> None:
    assert count_quotes(json.dumps(texts, ensure_ascii=ascii_only).encode()) == 2 * len(texts)


def test_a_long_list_is_refused_before_its_items_are_read(small: Service) -> None:
    body = b'{"messages":[' + b"0," * 4_000_000 + b"0]}"
    answer = post(small.merchant(), "/v1/messages/batch", body)
    assert (answer.status_code, answer.json["code"]) == (400, "json_malformed")
    answer = post(small.merchant(), "/v1/messages/batch", b'{"messages":[%s0]}' % (b"0," * 20_000))
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["messages"])
    assert len(answer.data) < 1000


@pytest.mark.parametrize("body", [b"token=a&token=b", b"token=a&tok%65n=a"])
def test_a_form_with_a_member_twice_is_refused(small: Service, body: bytes) -> None:
    answer = small.app.test_client().post(
        "/v1/tokens/introspect", data=body, content_type="application/x-www-form-urlencoded",
        headers={"Authorization": f"Bearer {small.merchant().api_key}"},
    )  # fmt: skip
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["token"])


def test_a_long_name_is_not_repeated(small: Service) -> None:
    answer = small.merchant().post("/v1/consent-requests", {"x" * 10_000: 1})
    assert answer.status_code == 422
    assert len(answer.data) < 1000


def test_an_answer_that_cannot_be_rendered_leaves_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the fault of the rendering is, it comes before the commit."""
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    message = {"token": token, "purpose": ORDERS, "text": "x"}
    before = count(service, messages), count(service, consent_requests)
    encode_all = type(service.runtime.ids.message).encode_all
    encode = type(service.runtime.ids.message).encode
    monkeypatch.setattr(
        type(service.runtime.ids.message), "encode", lambda self, key: encode(self, key) + HALF
    )
    monkeypatch.setattr(
        type(service.runtime.ids.message), "encode_all",
        lambda self, keys: [each + HALF for each in encode_all(self, keys)],
    )  # fmt: skip
    for key in ({}, {"Idempotency_Key": "k"}):
        for path, body in (
            ("/v1/messages", message),
            ("/v1/messages/batch", {"messages": [message]}),
            ("/v1/consent-requests", {"purposes": [ORDERS]}),
        ):
            assert merchant.post(path, body, **key).status_code == 500, path
    monkeypatch.undo()
    assert (count(service, messages), count(service, consent_requests)) == before
    assert merchant.post("/v1/messages", message, Idempotency_Key="k").status_code == 202


def test_the_largest_batch_is_within_the_limits() -> None:
    item = {"token": "t", "purpose": "p", "text": "x", "reference": "r", "send_at": "s"}
    body = json.dumps({"messages": [item | {"valid_for_minutes": 1}] * 1000}).encode()
    assert len(strict_json.parse(body)["messages"]) == 1000
