"""Promise 2: what leaves has a live grant at the moment it leaves, not only when accepted."""

from datetime import timedelta

import pytest

from consent_tokens.services.admission.suspension import restore, suspend
from tests.service import ADMIN, ORDERS, PROMOTIONS, Page, Service


def code(answer: Page) -> str:
    return str(answer.json["code"])


def test_a_purpose_that_was_not_ticked_is_refused(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    request = merchant.ask(PROMOTIONS, ORDERS)
    consumer.agree(request["path"], ORDERS)
    token = merchant.token(request)
    assert code(merchant.send(token, PROMOTIONS)) == "purpose_not_granted"
    assert merchant.send(token, ORDERS).status_code == 202
    scope = merchant.get(f"/v1/consent-requests/{request['id']}").json["scope"]
    assert scope["purposes"] == [ORDERS]


def test_a_box_that_was_not_on_the_page_cannot_be_ticked(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    request = merchant.ask(ORDERS)
    consumer.agree(request["path"], ORDERS, PROMOTIONS)
    scope = merchant.get(f"/v1/consent-requests/{request['id']}").json["scope"]
    assert scope["purposes"] == [ORDERS]


def test_marketing_at_night_waits_for_the_morning_of_the_recipient(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, **{"from": "09:00", "to": "21:00"})
    service.clock.advance(timedelta(hours=10))  # 22:00 in Shanghai
    answer = merchant.send(token).json
    assert (answer["status"], answer["send_after"]) == ("deferred", "2021-11-12T01:00:00+00:00")
    texts = len(consumer.texts())
    service.work()
    assert len(consumer.texts()) == texts
    service.clock.advance(timedelta(hours=11))
    service.work()
    assert len(consumer.texts()) == texts + 1


def test_transactional_messages_go_at_any_hour(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, ORDERS, **{"from": "09:00", "to": "21:00"})
    service.clock.advance(timedelta(hours=10))
    assert merchant.send(token, ORDERS).json["status"] == "queued"


def test_outside_hours_is_refused_only_where_it_cannot_wait(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, **{"from": "09:00", "to": "21:00"})
    service.clock.advance(timedelta(hours=10))
    refused = merchant.send(token, valid_for_minutes=60)
    assert code(refused) == "outside_hours"
    assert refused.json["next_at"] == "2021-11-12T01:00:00+00:00"


def test_the_end_ends_it_to_the_second(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, expires_in_days=1)
    service.clock.advance(timedelta(days=1, seconds=-1))
    assert merchant.send(token).status_code == 202
    service.clock.advance(timedelta(seconds=1))
    assert code(merchant.send(token)) == "token_expired"
    service.work()  # what was accepted a second before the end does not leave after it
    assert "你好" not in "".join(consumer.texts())


def test_a_merchant_suspended_meanwhile_sends_nothing_more(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer)
    queued = merchant.send(token).json["id"]
    suspend(service.runtime, ADMIN, merchant.id, None)
    service.work()
    assert merchant.get(f"/v1/messages/{queued}").json["reason"] == "merchant_suspended"
    assert code(merchant.send(token)) == "merchant_suspended"
    assert code(merchant.post("/v1/consent-requests", {"purposes": [ORDERS]})) == "forbidden"
    restore(service.runtime, ADMIN, merchant.id, None)
    assert merchant.send(token).status_code == 202


def test_without_an_admitted_sender_nothing_is_accepted(service: Service) -> None:
    merchant, consumer = service.merchant(sends=False), service.consumer()
    token = service.obtain_token(merchant, consumer)
    assert code(merchant.send(token)) == "sender_not_admitted"


@pytest.mark.parametrize("text", ["a\x00b", "a\u202eb", "a\u200bb", "a\x1bb", "\u2066x\u2069"])
def test_a_text_that_hides_something_is_refused(small: Service, text: str) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer)
    assert code(merchant.send(token, text=text)) == "content_rejected"


def test_a_text_that_is_too_long_is_refused(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer)
    assert code(merchant.send(token, text="好" * 600)) == "text_too_long"


def test_what_waited_too_long_expires_and_costs_nothing(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, max_messages=1)
    late = merchant.send(token, valid_for_minutes=5).json["id"]
    service.clock.advance(timedelta(minutes=6))
    service.work()
    assert merchant.get(f"/v1/messages/{late}").json["status"] == "expired"
    assert merchant.send(token).status_code == 202
