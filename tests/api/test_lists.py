"""Lists: filters by status, reference and time; cursors that fit one list of one merchant."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.number_scan import NUMBERS
from tests.service import ORDERS, PROMOTIONS, Merchant, Service


def ids(merchant: Merchant, path: str, **filters: str) -> list[str]:
    """Return the ids of all pages of a list, three a page."""
    return [item["id"] for page in pages(merchant, path, **filters) for item in page]


def pages(merchant: Merchant, path: str, **filters: str) -> Iterator[list[dict[str, str]]]:
    cursor: dict[str, str] = {}
    while True:
        answer = merchant.get(f"{path}?{urlencode({**filters, 'limit': '3', **cursor})}")
        assert answer.status_code == 200, answer.text
        yield answer.json["items"]
        if answer.json["next"] is None:
            return
        cursor = {"cursor": answer.json["next"]}


def test_consent_requests_are_listed_by_status_reference_and_time(service: Service) -> None:
    merchant, other = service.merchant(), service.merchant()
    other.ask(ORDERS, reference="c-1")
    begin = service.clock.now()
    old = [merchant.ask(ORDERS, reference=f"c-{place}")["id"] for place in range(4)]
    service.clock.advance(timedelta(days=100))  # past the cool-down of an unanswered question
    middle = service.clock.now()
    pending = merchant.ask(ORDERS, reference="c-1")
    declined, granted = merchant.ask(ORDERS), merchant.ask(ORDERS, PROMOTIONS)
    service.consumer().post(declined["path"], decision="decline")
    service.consumer().agree(granted["path"], ORDERS)

    def listed(**filters: str) -> list[str]:
        return sorted(ids(merchant, "/v1/consent-requests", **filters))

    assert listed(status="expired") == sorted(old)
    service.work()  # by now that is recorded
    new = [each["id"] for each in (pending, declined, granted)]
    assert listed() == sorted(old + new)
    assert listed(status="expired") == sorted(old)
    assert listed(status="pending") == [pending["id"]]
    assert listed(status="declined") == [declined["id"]]
    assert listed(status="granted") == [granted["id"]]
    assert listed(reference="c-1") == sorted([old[1], pending["id"]])
    assert listed(reference="c-1", status="expired") == [old[1]]
    assert listed(created_from=middle.isoformat()) == sorted(new)
    assert listed(created_before=middle.isoformat()) == sorted(old)
    assert listed(created_from=begin.isoformat(), created_before=begin.isoformat()) == []
    (shown,) = merchant.get("/v1/consent-requests?status=granted").json["items"]
    assert shown == merchant.get(f"/v1/consent-requests/{granted['id']}").json
    assert shown["scope"]["purposes"] == [ORDERS]


def test_grants_name_request_and_reference_and_are_listed_by_them(service: Service) -> None:
    merchant = service.merchant()
    asked: list[dict[str, Any]] = []
    for place, number in enumerate(NUMBERS[:4]):
        request = merchant.ask(ORDERS, reference=f"c-{place}", expires_in_days=30 * (place + 1))
        service.consumer(number).agree(request["path"], ORDERS)
        asked.append(merchant.get(f"/v1/consent-requests/{request['id']}").get_json())
    grants = [each["grant"] for each in asked]
    for request, grant in zip(asked, grants, strict=True):
        found = merchant.get(f"/v1/grants/{grant}").json
        assert (found["request"], found["reference"]) == (request["id"], request["reference"])
        assert ids(merchant, "/v1/grants", reference=request["reference"]) == [grant]
    merchant.post("/v1/tokens/revoke", {"token": merchant.token(asked[3])})
    service.clock.advance(timedelta(days=31))
    assert ids(merchant, "/v1/grants", status="expired") == [grants[0]]
    assert sorted(ids(merchant, "/v1/grants", status="live")) == sorted(grants[1:3])
    assert ids(merchant, "/v1/grants", status="revoked") == [grants[3]]
    assert ids(merchant, "/v1/grants", created_from=service.clock.now().isoformat()) == []
    assert sorted(ids(merchant, "/v1/grants")) == sorted(grants)


def test_messages_are_listed_without_a_reference(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    sent = [merchant.send(token, ORDERS, reference=f"r{place}").json["id"] for place in range(5)]
    service.work()
    service.clock.advance(timedelta(hours=1))
    waiting = merchant.send(token, ORDERS).json["id"]
    assert sorted(ids(merchant, "/v1/messages")) == sorted([*sent, waiting])
    assert ids(merchant, "/v1/messages", status="queued") == [waiting]
    assert ids(merchant, "/v1/messages", reference="r3") == [sent[3]]
    since = service.clock.now().isoformat()
    assert ids(merchant, "/v1/messages", created_from=since) == [waiting]


def test_a_cursor_fits_one_list_of_one_merchant(service: Service) -> None:
    merchant, other = service.merchant(), service.merchant()
    for each in (merchant, other):
        for _ in range(3):
            each.ask(ORDERS)
    path = "/v1/consent-requests"
    cursor = merchant.get(f"{path}?limit=1").json["next"]
    at = str(int(service.clock.now().timestamp()))
    assert at not in cursor
    assert merchant.get(f"{path}?cursor={cursor}").status_code == 200
    assert merchant.get(f"{path}?cursor={cursor}&limit=2").status_code == 200
    wrong = [
        (other, f"{path}?cursor={cursor}"),
        (merchant, f"/v1/grants?cursor={cursor}"),
        (merchant, f"{path}?status=pending&cursor={cursor}"),
        (merchant, f"{path}?cursor={cursor[:-2]}"),
        (merchant, f"{path}?cursor={'A' if cursor[0] != 'A' else 'B'}{cursor[1:]}"),
        (merchant, f"{path}?cursor={quote('书')}"),
    ]
    for caller, address in wrong:
        answer = caller.get(address)
        assert (answer.status_code, list(answer.json["errors"])) == (422, ["cursor"]), address
    service.clock.advance(timedelta(days=1, seconds=1))
    assert merchant.get(f"{path}?cursor={cursor}").status_code == 422


@pytest.mark.parametrize("year", ["0001", "9999"])
@pytest.mark.parametrize("offset", ["+14:00", "-14:00", "Z"])
def test_the_first_and_the_last_year_are_times(service: Service, year: str, offset: str) -> None:
    merchant = service.merchant()
    merchant.ask(ORDERS)
    for path in ("/v1/consent-requests", "/v1/grants", "/v1/messages"):
        for name in ("created_from", "created_before"):
            at = f"{year}-{'01-01' if year == '0001' else '12-31'}T00:00:00{offset}"
            assert merchant.get(f"{path}?{name}={quote(at)}").status_code == 200
    assert datetime.fromisoformat("9999-12-31T00:00:00+00:00").year == 9999


def test_a_token_that_is_not_there_says_what_is_awaited(service: Service) -> None:
    merchant = service.merchant()
    pending, declined = merchant.ask(ORDERS), merchant.ask(ORDERS)
    service.consumer().post(declined["path"], decision="decline")

    def detail(request: dict[str, str]) -> str:
        answer = merchant.post(f"/v1/consent-requests/{request['id']}/token")
        assert (answer.status_code, answer.json["code"]) == (409, "conflict")
        return str(answer.json["detail"])

    assert detail(pending) == "The consumer has not answered yet."
    assert detail(declined) == "The consumer declined."
    service.clock.advance(timedelta(days=100))  # past the cool-down of an unanswered question
    assert detail(pending) == "The request expired without an answer."


def test_what_was_created_is_where_the_answer_says(service: Service) -> None:
    merchant = service.merchant()
    answers = [
        merchant.post("/v1/consent-requests", {"purposes": [ORDERS]}, Idempotency_Key="k")
        for _ in range(2)
    ]
    assert [each.headers.get("Idempotent-Replayed") for each in answers] == [None, "true"]
    for answer in answers:
        path = answer.headers["Location"].removeprefix(service.runtime.service.base_url)
        assert merchant.get(path).json["id"] == answer.json["id"]


def test_only_the_qr_code_may_be_shown_on_other_sites(service: Service) -> None:
    request = service.merchant().ask(ORDERS)
    policy = "Cross-Origin-Resource-Policy"
    browser = service.app.test_client()
    assert browser.get(request["path"] + "/qr.svg").headers.getlist(policy) == ["cross-origin"]
    assert browser.get(request["path"]).headers.getlist(policy) == ["same-origin"]
    assert browser.get("/c/" + "A" * 22 + "/qr.svg").headers.getlist(policy) == ["same-origin"]
