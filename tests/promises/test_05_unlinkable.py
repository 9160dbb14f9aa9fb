"""Promise 5: what two merchants get for one consumer has nothing in common that tells so."""

import json
from datetime import datetime, timedelta
from itertools import combinations

import pytest

from consent_tokens.crypto.encoding import decode
from consent_tokens.crypto.keys import IdKey
from consent_tokens.crypto.opaque_ids import OpaqueIds
from consent_tokens.row_key import RowKey, new_partition
from consent_tokens.services.webhooks import MAX_SPREAD, add_webhook
from consent_tokens.store.tables import webhook_events
from tests.number_scan import NUMBERS
from tests.service import PROMOTIONS, Consumer, Merchant, Service, otp_policy

# what all tokens of one service and one scope share, whoever they are about
ALIKE = {"iss", "aud", "scope", "channels", "limits", "iat", "exp", "notice"}


def claims(token: str) -> dict[str, object]:
    loaded: dict[str, object] = json.loads(decode(token.split(".")[1]))
    return loaded


def test_tokens_for_one_consumer_share_no_value_that_others_do_not_share(service: Service) -> None:
    shops = [service.merchant("书店") for _ in range(2)]
    people = [service.consumer(number) for number in NUMBERS[:2]]
    tokens = {
        (shop, person): claims(service.obtain_token(shops[shop], people[person]))
        for shop in range(2)
        for person in range(2)
    }
    same_person = [tokens[0, 0], tokens[1, 0]]
    same_nobody = [tokens[0, 0], tokens[1, 1]]
    for pair in (same_person, same_nobody):
        shared = {name for name in pair[0] if pair[0][name] == pair[1][name]}
        assert shared == ALIKE
    for one, other in combinations(tokens.values(), 2):
        for name in ("jti", "rcp"):
            mine, theirs = decode(str(one[name])), decode(str(other[name]))
            assert not any(mine[i : i + 4] in theirs for i in range(len(mine) - 3))


def test_no_length_depends_on_the_number(service: Service) -> None:
    merchant = service.merchant()
    lengths = {
        len(str(claims(service.obtain_token(merchant, service.consumer(number)))["rcp"]))
        for number in NUMBERS
    }
    assert lengths == {59}


def test_twice_the_same_consumer_at_one_merchant_is_two_strangers(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    one = claims(service.obtain_token(merchant, consumer))
    merchant.post("/v1/tokens/revoke", {"token": ""})
    other = claims(service.obtain_token(merchant, consumer))
    assert one["jti"] != other["jti"]
    assert one["rcp"] != other["rcp"]


def test_ids_of_one_partition_look_random() -> None:
    ids = OpaqueIds.from_key(IdKey(bytes(range(32))))
    partition = new_partition(b"12345678")
    blocks = [decode(ids.grant.encode(RowKey(partition, number))) for number in range(-500, 500)]
    assert len({block[:8] for block in blocks}) == len(blocks)
    ones = sum(byte.bit_count() for block in blocks for byte in block)
    assert abs(ones / (len(blocks) * 128) - 0.5) < 0.01
    kinds = [
        ids.grant,
        ids.message,
        ids.request,
        ids.message_link,
        ids.consent_page,
    ]
    key = RowKey(partition, 7)
    assert len({kind.encode(key) for kind in kinds}) == len(kinds)
    assert all(kind.decode(kind.encode(key)) == key for kind in kinds)
    assert ids.message_link.decode(ids.grant.encode(key)) != key


def test_pages_of_two_merchants_say_nothing_of_each_other(service: Service) -> None:
    one, other = service.merchant("甲店"), service.merchant("乙店")
    consumer = service.consumer()
    service.obtain_token(one, consumer)
    token = service.obtain_token(other, consumer)
    for answer in (
        other.get("/v1/grants"),
        other.post("/v1/tokens/introspect", {"token": token}),
        other.send(token, PROMOTIONS),
    ):
        assert "甲店" not in answer.text
        assert one.id not in answer.text


# --- Times ---------------------------------------------------------------------------------------


def shops_with_webhooks(service: Service, consumer: Consumer, count: int = 5) -> list[Merchant]:
    """Return merchants with a consent of one consumer, a webhook, and a message that waits."""
    shops = [service.merchant(f"店{number}") for number in range(count)]
    for shop in shops:
        token = service.obtain_token(shop, consumer)
        add_webhook(
            service.runtime,
            service.context.webhook_client,
            shop.id,
            "http://127.0.0.1:9999/",
            ["consent.revoked", "message.failed"],
        )
        later = (service.clock.now() + timedelta(hours=2)).isoformat()
        assert shop.send(token, send_at=later).status_code == 202
    consumer.log_in()
    return shops


def enqueued(service: Service) -> list[tuple[str, str, datetime, datetime]]:
    """Return merchant, type, time due, and time in the body, of all webhook events."""
    with service.runtime.database.engine.connect() as connection:
        rows = connection.execute(webhook_events.select()).all()
    return [
        (
            row.merchant_id,
            row.event_type,
            row.due_at,
            datetime.fromisoformat(json.loads(row.body)["timestamp"]),
        )
        for row in rows
    ]


def assert_spread_over_an_hour(service: Service, shops: list[Merchant], types: set[str]) -> None:
    now, found = service.clock.now(), enqueued(service)
    assert {(merchant, kind) for merchant, kind, _, _ in found} == {
        (shop.id, kind) for shop in shops for kind in types
    }
    assert all(now <= due < now + MAX_SPREAD for _, _, due, _ in found)
    assert len({due for _, _, due, _ in found}) > len(found) / 2
    assert {at for _, _, _, at in found} == {now.replace(hour=0, minute=0, second=0)}


WIDE = otp_policy("number=1000/hour;client_ip=1000/hour;total=100000/hour")
REVOKED = {"consent.revoked", "message.failed"}


@pytest.mark.parametrize("action", ["revoke_all", "forget"])
def test_what_ends_all_consents_reaches_each_merchant_at_a_time_of_its_own(
    service: Service, action: str
) -> None:
    service = service.with_context(otp=WIDE)
    consumer = service.consumer()
    shops = shops_with_webhooks(service, consumer)
    consumer.post("/my", consumer.get("/my/all").text, action=action)
    assert_spread_over_an_hour(service, shops, REVOKED)
    for shop in shops:  # refusals and introspection are not delayed
        listed = shop.get("/v1/grants").json["items"]
        assert [each["status"] for each in listed] == ["revoked"]


def test_a_reply_that_stops_all_reaches_each_merchant_at_a_time_of_its_own(
    service: Service,
) -> None:
    service = service.with_context(otp=WIDE)
    consumer = service.consumer()
    shops = shops_with_webhooks(service, consumer)
    service.reply(consumer.number, "106900011", "全部退订")
    assert_spread_over_an_hour(service, shops, REVOKED)


def test_the_end_of_one_consent_is_reported_at_once_with_its_day(service: Service) -> None:
    service = service.with_context(otp=WIDE)
    consumer = service.consumer()
    shop = shops_with_webhooks(service, consumer, 1)[0]
    listed = shop.get("/v1/grants").json["items"]
    page = consumer.get("/my").text
    consumer.post("/my", page, action="revoke", grant=listed[0]["id"])
    now, events = service.clock.now(), enqueued(service)
    assert {due for _, _, due, _ in events} == {now}
    reported = {kind: at for _, kind, _, at in events}
    assert reported["consent.revoked"] == now.replace(hour=0)


def test_a_message_that_a_revocation_refused_shows_the_day_of_it(service: Service) -> None:
    service = service.with_context(otp=WIDE)
    consumer = service.consumer()
    shop = service.merchant()
    token = service.obtain_token(shop, consumer)
    later = (service.clock.now() + timedelta(days=3)).isoformat()
    sent = shop.send(token, send_at=later).json["id"]
    service.clock.advance(timedelta(days=1, minutes=7))
    consumer.log_in()
    consumer.post("/my", consumer.get("/my/all").text, action="revoke_all")
    shown = shop.get(f"/v1/messages/{sent}").json
    assert shown["reason"] == "consent_revoked"
    assert datetime.fromisoformat(shown["changed_at"]) == service.clock.now().replace(
        hour=0, minute=0
    )
