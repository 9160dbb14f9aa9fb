"""The same POST under the same Idempotency-Key is done once and answered the same."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from consent_tokens.clock import SystemClock
from consent_tokens.errors import IdempotencyKeyReusedError
from consent_tokens.services.idempotency import (
    ApiResponse,
    Done,
    IdempotencyKey,
    Worked,
    run_each_once,
)
from tests.service import ORDERS, Service


def messages(service: Service) -> int:
    with service.runtime.database.engine.connect() as connection:
        return int(
            connection.scalar(text("SELECT count(*) FROM messages WHERE grant_id IS NOT NULL")) or 0
        )


def test_a_repeated_send_sends_once(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    body = {"token": token, "purpose": ORDERS, "text": "x"}
    answers = [merchant.post("/v1/messages", body, Idempotency_Key="k-1") for _ in range(5)]
    assert len({answer.text for answer in answers}) == 1
    assert {answer.status_code for answer in answers} == {202}
    assert messages(service) == 1


def test_the_same_key_with_another_request_is_refused(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    body = {"token": token, "purpose": ORDERS, "text": "x"}
    merchant.post("/v1/messages", body, Idempotency_Key="k")
    other = merchant.post("/v1/messages", {**body, "text": "y"}, Idempotency_Key="k")
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    elsewhere = merchant.post("/v1/messages/batch", {"messages": [body]}, Idempotency_Key="k")
    assert elsewhere.status_code == 422


def test_every_post_honours_the_key(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    draft = {"token": token, "purpose": ORDERS, "text": "x"}
    bodies: dict[str, tuple[object, object]] = {
        "/v1/consent-requests": ({"purposes": [ORDERS]}, {"purposes": [ORDERS], "reference": "r"}),
        "/v1/messages": (draft, {**draft, "text": "y"}),
        "/v1/messages/batch": ({"messages": [draft]}, {"messages": [draft, draft]}),
        "/v1/tokens/introspect": ({"token": token}, {"token": "other"}),
        "/v1/tokens/renew": ({"token": token}, {"token": "other"}),
        "/v1/tokens/revoke": ({"token": token}, {"token": "other"}),
    }
    for path, (body, other) in bodies.items():
        answers = [merchant.post(path, body, Idempotency_Key=path) for _ in range(2)]
        assert answers[0].status_code < 300, path
        assert answers[0].text == answers[1].text, path
        reused = merchant.post(path, other, Idempotency_Key=path)
        assert (reused.status_code, reused.json["code"]) == (422, "idempotency_key_reused"), path


def test_keys_of_two_merchants_are_two_keys(service: Service) -> None:
    body = {"purposes": [ORDERS]}
    one = service.merchant().post("/v1/consent-requests", body, Idempotency_Key="k")
    other = service.merchant().post("/v1/consent-requests", body, Idempotency_Key="k")
    assert one.json["id"] != other.json["id"]


def test_a_refusal_is_repeated_and_a_fault_in_the_input_is_not(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    merchant.post("/v1/tokens/revoke", {"token": token})
    body = {"token": token, "purpose": ORDERS, "text": "x"}
    refused = [merchant.post("/v1/messages", body, Idempotency_Key="r") for _ in range(2)]
    assert [answer.json["code"] for answer in refused] == ["consent_revoked"] * 2
    assert merchant.post("/v1/messages", {}, Idempotency_Key="f").status_code == 422
    asked = merchant.post("/v1/consent-requests", {"purposes": [ORDERS]}, Idempotency_Key="f")
    assert asked.status_code == 201


def test_a_key_is_good_again_after_a_day(service: Service) -> None:
    merchant = service.merchant()
    body = {"purposes": [ORDERS]}
    first = merchant.post("/v1/consent-requests", body, Idempotency_Key="k").json["id"]
    service.clock.advance(timedelta(hours=24, seconds=1))
    service.work()
    assert merchant.post("/v1/consent-requests", body, Idempotency_Key="k").json["id"] != first


@pytest.mark.parametrize("key", ["", "x" * 256, "\u00e9"])
def test_a_key_that_is_none_is_refused(service: Service, key: str) -> None:
    answer = service.merchant().post(
        "/v1/consent-requests", {"purposes": [ORDERS]}, Idempotency_Key=key
    )
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json["errors"]


def test_a_kept_answer_holds_no_readable_token(small: Service, tmp_path: Path) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    request = merchant.ask(ORDERS)
    consumer.agree(request["path"], ORDERS)
    path = f"/v1/consent-requests/{request['id']}/token"
    answers = [merchant.post(path, Idempotency_Key="fetch") for _ in range(2)]
    assert answers[0].json == answers[1].json
    body = answers[0].json["token"].split(".")[1].encode()
    assert body not in b"".join(each.read_bytes() for each in tmp_path.glob("consent.db*"))


def test_requests_that_share_a_commit_are_answered_each_by_its_key(service: Service) -> None:
    def key(text: str, body: bytes) -> IdempotencyKey:
        return IdempotencyKey("mer", text, body)

    keys = [key("k", b"a"), None, key("k", b"a"), key("l", b"a"), key("k", b"b"), None]
    worked: list[int] = []

    def work(places: Sequence[int]) -> Worked[int]:
        worked.extend(places)
        done = [Done(ApiResponse.render(202, place), place) for place in places]
        return Worked(done, lambda _transaction: None)

    outcomes = run_each_once(service.runtime, keys, lambda _transaction: work)
    assert sorted(worked) == [0, 1, 3, 5]
    assert isinstance(outcomes.pop(4), IdempotencyKeyReusedError)
    bodies = [each.response.body for each in outcomes if isinstance(each, Done)]
    assert bodies == [b"0", b"1", b"0", b"3", b"5"]
    again = run_each_once(service.runtime, keys[2:4], lambda _transaction: work)
    assert [each.response.is_replayed for each in again if isinstance(each, Done)] == [True, True]
    assert len(worked) == 4


def test_fifty_at_once_are_one(database_url: str, tmp_path: Path) -> None:
    """Two services on one database, many keys and threads: one message a key, all answers alike."""
    one = Service.start(database_url, tmp_path / "keys", clock=SystemClock())
    merchant = one.merchant()
    token = one.obtain_token(merchant, one.consumer(), ORDERS)
    two = Service.start(database_url, tmp_path / "keys", clock=SystemClock())
    body = {"token": token, "purpose": ORDERS, "text": "x"}

    def send(place: int) -> tuple[int, str]:
        client = type(merchant)((one, two)[place % 2], merchant.id, merchant.api_key)
        answer = client.post("/v1/messages", body, Idempotency_Key=f"k{place % 5}")
        return place % 5, answer.text

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(send, range(50)))
    assert len(answers) == 5
    assert messages(one) == 5
    one.close()
    two.close()
