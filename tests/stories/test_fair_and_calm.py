"""Fair shares, priorities, throughput and backpressure, through the API and the dispatcher."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from consent_tokens.services.admission.merchant_options import set_weight
from consent_tokens.services.dispatch.lease import LeaseQuota
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.store import merchants
from consent_tokens.workers.dispatcher import Dispatcher
from tests.fixtures import accept_messages, admit_merchant, dispatch_round, insert_grants
from tests.number_scan import NUMBERS
from tests.service import ADMIN, ORDERS, PROMOTIONS, Service


def enqueue(
    service: Service, name: str, count: int, purpose: str = PROMOTIONS, first: int = 0
) -> str:
    merchant_id = admit_merchant(service.runtime, name)
    numbers = NUMBERS[first % len(NUMBERS) :] + NUMBERS[: first % len(NUMBERS)]
    requests = [
        MessageRequest(token=token, purpose=purpose, text=f"{name} {place}")
        for place, token in enumerate(insert_grants(service.runtime, merchant_id, count, numbers))
    ]
    accept_messages(service.context, merchant_id, requests)
    return merchant_id


def sent_by(service: Service, names: Sequence[str]) -> Counter[str]:
    """Return how many messages of each merchant are on the simulated phones."""
    texts = [each.text for _, texts in service.simulator.phones() for each in texts]
    return Counter({name: sum(f"】{name} " in text for text in texts) for name in names})


def test_many_messages_of_one_merchant_do_not_delay_the_few_of_another(service: Service) -> None:
    """The many were enqueued long before the few."""
    enqueue(service, "large", 3000)
    enqueue(service, "small", 100)
    dispatch_round(service.context, LeaseQuota(limit=250))
    first = sent_by(service, ["large", "small"])
    assert first == {"large": 150, "small": 100}


def test_transactional_goes_before_marketing_of_anybody(service: Service) -> None:
    enqueue(service, "shop", 300)
    enqueue(service, "parcel", 50, ORDERS)
    dispatch_round(service.context, LeaseQuota(limit=60))
    assert sent_by(service, ["shop", "parcel"]) == {"shop": 10, "parcel": 50}


def test_shares_are_weighted_and_what_one_leaves_goes_to_the_others(service: Service) -> None:
    names = ["one", "three", "few"]
    one, three, few = (enqueue(service, name, 5 if name == "few" else 300) for name in names)
    set_weight(service.runtime, ADMIN, three, 3)
    weights = service.runtime.database.read(merchants.weights)
    dispatch_round(service.context, LeaseQuota(limit=100, weights=weights))
    left = sent_by(service, names)
    assert left["few"] == 5
    assert sum(left.values()) == 100
    assert left["three"] == pytest.approx(3 * left["one"], abs=4)
    assert {one, few}.isdisjoint(weights)


def test_more_merchants_than_one_round_serves_have_their_turn_in_the_next(small: Service) -> None:
    names = [f"m{place}" for place in range(70)]
    for place, name in enumerate(names):
        enqueue(small, name, 2, first=place)
    for turn in range(4):
        dispatch_round(small.context, LeaseQuota(limit=64, turn=turn))
    assert min(sent_by(small, names).values()) >= 1


def test_a_sender_keeps_its_own_rate(small: Service) -> None:
    slow = replace(small.context.dispatch, sender_throughput=4)
    dispatcher = Dispatcher(replace(small.context, dispatch=slow))
    who = enqueue(small, "shop", 40)
    other = enqueue(small, "other", 2)
    dispatcher.round()
    before = sent_by(small, ["shop"])["shop"]
    small.clock.advance(timedelta(seconds=60))
    for _ in range(8):
        small.clock.advance(timedelta(seconds=1))
        dispatcher.round()
    assert sent_by(small, ["shop"])["shop"] - before <= 4 * 8 + 4
    assert sent_by(small, ["other"])["other"] == 2
    assert who != other


def test_backpressure_rejects_marketing_and_accepts_transactional(service: Service) -> None:
    full = service.with_context(relay=replace(service.context.relay, outbox_limit=10))
    merchant_, consumer = full.merchant(), full.consumer()
    token = full.obtain_token(merchant_, consumer, PROMOTIONS, ORDERS)
    enqueue(full, "others", 10)
    full.clock.advance(timedelta(seconds=10))
    refused = merchant_.send(token)
    assert (refused.status_code, refused.json["code"]) == (503, "outbox_full")
    assert int(refused.headers["Retry-After"]) > 0
    assert merchant_.send(token, ORDERS).status_code == 202
    one = {"token": token, "purpose": PROMOTIONS, "text": "x"}
    whole = merchant_.post("/v1/messages/batch", {"messages": [one, one]}, Idempotency_Key="k")
    assert (whole.status_code, whole.json["code"]) == (503, "outbox_full")
    mixed = merchant_.post(
        "/v1/messages/batch", {"messages": [one, {**one, "purpose": ORDERS}, {"token": 7}]}
    )
    results = mixed.json["results"]
    assert [each["status"] for each in results] == ["refused", "accepted", "refused"]
    assert [each["problem"]["code"] for each in results if "problem" in each] == [
        "outbox_full", "invalid",
    ]  # fmt: skip
    full.work()
    full.clock.advance(timedelta(seconds=10))
    again = merchant_.post("/v1/messages/batch", {"messages": [one, one]}, Idempotency_Key="k")
    assert again.status_code == 200, "the key is free: nothing was done under it"
