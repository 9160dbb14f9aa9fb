"""Who goes first, who waits, and who is asked to come back later: through the front door."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from consent_tokens.services import merchants as admit
from consent_tokens.services.dispatch.lease import LeaseQuota
from consent_tokens.services.submission.accept import MessageRequest
from consent_tokens.store import merchant_weights as shares
from consent_tokens.workers.dispatcher import Dispatcher
from tests.fixtures import dispatched, laid_out, merchant, seeded
from tests.number_scan import NUMBERS
from tests.service import ORDERS, PROMOTIONS, Service


def lay_out(
    service: Service, name: str, count: int, purpose: str = PROMOTIONS, first: int = 0
) -> str:
    who = merchant(service.world, name)
    numbers = NUMBERS[first % len(NUMBERS) :] + NUMBERS[: first % len(NUMBERS)]
    drafts = [
        MessageRequest(token=token, purpose=purpose, text=f"{name} {place}")
        for place, token in enumerate(seeded(service.world, who, count, numbers))
    ]
    laid_out(service.world, who, drafts)
    return who


def who_left(service: Service, names: Sequence[str]) -> Counter[str]:
    """Return how many messages of each merchant are on the simulated phones."""
    texts = [each.text for _, texts in service.world.simulator.phones() for each in texts]
    return Counter({name: sum(f"】{name} " in text for text in texts) for name in names})


def test_a_million_of_one_does_not_delay_a_hundred_of_another(service: Service) -> None:
    """Not a million here, but the many were there long before the few."""
    lay_out(service, "large", 3000)
    lay_out(service, "small", 100)
    dispatched(service.world, LeaseQuota(limit=250))
    first = who_left(service, ["large", "small"])
    assert first == {"large": 150, "small": 100}


def test_transactional_goes_before_marketing_of_anybody(service: Service) -> None:
    lay_out(service, "shop", 300)
    lay_out(service, "parcel", 50, ORDERS)
    dispatched(service.world, LeaseQuota(limit=60))
    assert who_left(service, ["shop", "parcel"]) == {"shop": 10, "parcel": 50}


def test_shares_are_weighted_and_what_one_leaves_goes_to_the_others(service: Service) -> None:
    names = ["one", "three", "few"]
    one, three, few = (lay_out(service, name, 5 if name == "few" else 300) for name in names)
    admit.set_weight(service.world, three, 3)
    weights = service.world.database.read(shares.weights)
    dispatched(service.world, LeaseQuota(limit=100, weights=weights))
    left = who_left(service, names)
    assert left["few"] == 5
    assert sum(left.values()) == 100
    assert left["three"] == pytest.approx(3 * left["one"], abs=4)
    assert {one, few}.isdisjoint(weights)


def test_more_merchants_than_one_round_serves_have_their_turn_in_the_next(small: Service) -> None:
    names = [f"m{place}" for place in range(70)]
    for place, name in enumerate(names):
        lay_out(small, name, 2, first=place)
    for turn in range(4):
        dispatched(small.world, LeaseQuota(limit=64, turn=turn))
    assert min(who_left(small, names).values()) >= 1


def test_a_sender_keeps_its_own_rate(small: Service) -> None:
    calm = replace(small.world, sender_throughput=4)
    dispatcher = Dispatcher(calm)
    who = lay_out(small, "shop", 40)
    other = lay_out(small, "other", 2)
    dispatcher.round()
    before = who_left(small, ["shop"])["shop"]
    small.clock.advance(timedelta(seconds=60))
    for _ in range(8):
        small.clock.advance(timedelta(seconds=1))
        dispatcher.round()
    assert who_left(small, ["shop"])["shop"] - before <= 4 * 8 + 4
    assert who_left(small, ["other"])["other"] == 2
    assert who != other


def test_past_a_set_depth_marketing_waits_outside_and_transactional_goes(service: Service) -> None:
    full = service.but(outbox_limit=10)
    merchant_, consumer = full.merchant(), full.consumer()
    token = full.agreed(merchant_, consumer, PROMOTIONS, ORDERS)
    lay_out(full, "others", 10)
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
