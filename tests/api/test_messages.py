"""The messages API: one message, a batch, and their status."""

from datetime import timedelta

import pytest

from tests.number_scan import NUMBERS
from tests.service import ORDERS, PROMOTIONS, Merchant, Service


def draft(token: str, **more: object) -> dict[str, object]:
    return {"token": token, "purpose": ORDERS, "text": "您的书已发出", **more}


@pytest.fixture
def sender(service: Service) -> tuple[Merchant, str]:
    merchant = service.merchant()
    return merchant, service.obtain_token(
        merchant, service.consumer(), PROMOTIONS, ORDERS, max_messages=9
    )


def statuses(merchant: Merchant, items: list[object]) -> list[str]:
    answer = merchant.post("/v1/messages/batch", {"messages": items})
    assert answer.status_code == 200
    return [result["status"] for result in answer.json["results"]]


BAD = {
    "not an object": (7, "invalid"),
    "no text": ({"token": "x", "purpose": ORDERS}, "invalid"),
    "nonsense token": ({"token": "x", "purpose": ORDERS, "text": "x"}, "token_malformed"),
}


@pytest.mark.parametrize("bad", BAD, ids=lambda name: name)
def test_one_bad_item_at_every_place_spoils_no_other(small: Service, bad: str) -> None:
    merchant = small.merchant()
    tokens = [small.obtain_token(merchant, small.consumer(each), ORDERS) for each in NUMBERS[:2]]
    small.clock.advance(timedelta(hours=1))
    item, code = BAD[bad]
    for place in range(12):
        small.clock.advance(timedelta(days=1))
        items: list[object] = [
            draft(tokens[i % 2], reference=f"{bad} {place} {i}") for i in range(12)
        ]
        items[place] = item
        results = merchant.post("/v1/messages/batch", {"messages": items}).json["results"]
        expected = ["refused" if i == place else "accepted" for i in range(12)]
        assert [result["status"] for result in results] == expected
        assert results[place]["problem"]["code"] == code


def test_one_good_item_at_every_place_among_bad(small: Service) -> None:
    merchant = small.merchant()
    token = small.obtain_token(merchant, small.consumer(), ORDERS)
    kinds = [item for item, _ in BAD.values()]
    for place in range(12):
        small.clock.advance(timedelta(days=1))
        items: list[object] = [kinds[i % len(kinds)] for i in range(12)]
        items[place] = draft(token)
        expected = ["accepted" if i == place else "refused" for i in range(12)]
        assert statuses(merchant, items) == expected


def test_each_item_is_judged_by_its_own_token(service: Service) -> None:
    """Not one name N times instead of N names once."""
    merchant, other = service.merchant("甲"), service.merchant("乙")
    mine = [service.obtain_token(merchant, service.consumer(number), ORDERS) for number in PEOPLE]
    theirs = service.obtain_token(other, service.consumer(), ORDERS)
    merchant.post("/v1/tokens/revoke", {"token": mine[1]})
    answer = merchant.post(
        "/v1/messages/batch",
        {"messages": [draft(token) for token in (mine[0], mine[1], theirs, mine[2], mine[1])]},
    )
    codes = [result.get("problem", {}).get("code") for result in answer.json["results"]]
    assert codes == [None, "consent_revoked", "token_not_yours", None, "consent_revoked"]


PEOPLE = ("+8613912340917", "+8613512348203", "+8618612345719")


def test_within_a_batch_the_cap_counts_each(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), max_messages=3)
    items: list[object] = [draft(token, purpose=PROMOTIONS) for _ in range(5)]
    assert statuses(merchant, items) == ["accepted"] * 3 + ["refused"] * 2


def test_a_thousand_at_once(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), max_messages=999)
    items: list[object] = [draft(token, purpose=PROMOTIONS, reference=f"r{i}") for i in range(1000)]
    found = statuses(merchant, items)
    assert (found.count("accepted"), found.count("refused")) == (999, 1)


def test_a_message_tells_where_it_stands(service: Service) -> None:
    merchant = service.merchant()
    consumer = service.consumer()
    token = service.obtain_token(merchant, consumer, ORDERS)
    accepted = merchant.send(token, ORDERS, reference="order-1")
    assert accepted.status_code == 202
    assert accepted.json.keys() == {
        "id", "status", "send_after", "segments", "characters_left",
    }  # fmt: skip
    assert accepted.json["characters_left"] == 70 - len("【晨光书店】你好")
    path = f"/v1/messages/{accepted.json['id']}"
    assert merchant.get(path).json["status"] == "queued"
    service.work()
    message = merchant.get(path).json
    assert (message["status"], message["reason"], message["explain"]) == ("delivered", None, None)
    listed = merchant.get("/v1/messages?reference=order-1").json
    assert [each["id"] for each in listed["items"]] == [accepted.json["id"]]
    assert listed["next"] is None


def test_lists_go_on_where_they_ended(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    sent = {merchant.send(token, ORDERS, reference="r").json["id"] for _ in range(7)}
    seen: list[str] = []
    path = "/v1/messages?reference=r&limit=3"
    cursor = ""
    while True:
        page = merchant.get(path + cursor).json
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(seen) == 7
    assert set(seen) == sent


def test_grants_are_listed_with_what_is_left(service: Service) -> None:
    merchant = service.merchant()
    tokens = [
        service.obtain_token(merchant, service.consumer(number), max_messages=2)
        for number in PEOPLE
    ]
    merchant.send(tokens[-1])
    first = merchant.get("/v1/grants?limit=2").json
    rest = merchant.get(f"/v1/grants?limit=2&cursor={first['next']}").json
    grants = first["items"] + rest["items"]
    assert [each["status"] for each in grants] == ["live"] * 3
    assert sorted(each["remaining"] for each in grants) == [1, 2, 2]
    one = merchant.get(f"/v1/grants/{grants[0]['id']}").json
    assert one == grants[0]


def test_what_the_phone_shows_ends_with_the_way_to_refuse(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, PROMOTIONS, ORDERS)
    merchant.send(token, text="满 200 减 50")
    merchant.send(token, ORDERS, text="您的书已发出")
    service.work()
    texts = consumer.texts()
    marketing = next(text for text in texts if "满 200" in text)
    assert marketing.startswith("【晨光书店】满 200 减 50 拒收请回复R http://localhost/m/")
    assert "【晨光书店】您的书已发出" in texts


def test_a_long_text_goes_whole_with_its_ending(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    answer = merchant.send(token, text="好" * 200)
    assert answer.json["segments"] == 4
    service.work()
    assert "好" * 200 + " 拒收请回复R http" in consumer.texts()[-1]


def test_a_token_can_be_renewed_with_the_scope_as_it_is(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    service.clock.advance(timedelta(hours=1))
    fresh = merchant.post("/v1/tokens/renew", {"token": token})
    assert fresh.status_code == 200
    assert fresh.json["token"] != token
    for each in (token, fresh.json["token"]):
        assert merchant.send(each, ORDERS).status_code == 202


def test_a_token_waits_a_day_and_no_longer(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    request = merchant.ask(ORDERS)
    fetch = f"/v1/consent-requests/{request['id']}/token"
    assert merchant.post(fetch).status_code == 409
    consumer.agree(request["path"], ORDERS)
    assert merchant.post(fetch).status_code == 200
    service.clock.advance(timedelta(hours=24))
    assert merchant.post(fetch).status_code == 410
    service.maintain()
    assert merchant.post(fetch).status_code == 410


def test_a_question_expires(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    request = merchant.ask()
    service.clock.advance(timedelta(days=7))
    assert merchant.get(f"/v1/consent-requests/{request['id']}").json["status"] == "expired"
    assert "已经结束" in consumer.get(request["path"]).text


def test_introspection_takes_forms_as_rfc_7662_has_it(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    answer = service.app.test_client().post(
        "/v1/tokens/introspect",
        data={"token": token, "token_type_hint": "access_token"},
        headers={"Authorization": f"Bearer {merchant.api_key}"},
    )
    body = answer.json
    assert body["active"] is True
    assert body["client_id"] == merchant.id
    assert body["scope"] == ORDERS
    assert "remaining" in body


def test_a_grant_past_its_end_loses_its_key_by_itself(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS, expires_in_days=1)
    service.clock.advance(timedelta(days=1))
    service.work()
    assert merchant.get("/v1/grants").json["items"][0]["status"] == "expired"
    assert merchant.post("/v1/tokens/renew", {"token": token}).status_code == 409
