"""Promise 5: what two merchants get for one consumer has nothing in common that tells so."""

import json
from itertools import combinations

from consent_tokens.crypto.encoding import decode
from consent_tokens.crypto.keys import IdKey
from consent_tokens.crypto.opaque_ids import OpaqueIds
from consent_tokens.row_key import RowKey, new_partition
from tests.number_scan import NUMBERS
from tests.service import PROMOTIONS, Service

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
