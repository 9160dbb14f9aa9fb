"""Finance: each purpose a choice of its own, and all that binds marketing binds it."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text as sql

from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.errors import InvalidError
from consent_tokens.services.admission.applications import apply, approve
from consent_tokens.services.admission.senders import add_sender
from consent_tokens.services.dispatch.lease import LeaseQuota
from tests.fixtures import dispatch_round
from tests.service import LINK, ORDERS, PROMOTIONS, REVIEWER, Merchant, Service, application, found

LOANS, INSURANCE, COLLECTION = "finance.loans", "finance.insurance", "finance.collection"
PORT = "106900011"
TICK = re.compile(r'<input type="checkbox" name="purposes" value="([^"]+)"([^>]*)>')


def test_each_is_a_choice_of_its_own_that_nothing_ticks(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    request = merchant.ask(PROMOTIONS, LOANS, INSURANCE)
    page = consumer.get(request["path"]).text
    assert TICK.findall(page) == [(PROMOTIONS, ""), (LOANS, ""), (INSURANCE, "")]
    assert "推广和金融短信：任意 30 天最多 4 条" in page
    consumer.agree(request["path"], LOANS)
    granted = merchant.get(f"/v1/consent-requests/{request['id']}").json
    assert granted["scope"]["purposes"] == [LOANS]
    notice = consumer.get(request["path"]).text
    assert "贷款推广" in notice
    assert "金融短信：" in notice
    assert "推广和金融短信" not in notice
    token = merchant.token(request)
    assert merchant.send(token, LOANS).status_code == 202
    for other in (PROMOTIONS, INSURANCE, COLLECTION):
        assert merchant.send(token, other).json["code"] == "purpose_not_granted"


@pytest.mark.parametrize("purpose", [LOANS, COLLECTION])
def test_a_quiet_period_keeps_it_away(small: Service, purpose: str) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer, purpose, ORDERS)
    page = consumer.log_in().text
    assert consumer.post("/my", page, action="calm", until="2021-11-20").status_code == 303
    assert merchant.send(token, purpose).json["code"] == "consent_paused"
    assert merchant.send(token, ORDERS).status_code == 202


def test_it_shares_cap_and_own_limit_with_marketing(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    token = service.obtain_token(merchant, consumer, PROMOTIONS, LOANS, max_messages=2)
    assert merchant.send(token, PROMOTIONS).status_code == 202
    assert merchant.send(token, LOANS).status_code == 202
    assert merchant.send(token, LOANS).json["code"] == "cap_reached"
    other = service.merchant("信达贷款")
    others_token = service.obtain_token(other, consumer, LOANS)
    page = consumer.log_in().text
    assert consumer.post("/my", page, action="limits", a_day="3").status_code == 303
    assert other.send(others_token, LOANS).status_code == 202
    assert other.send(others_token, LOANS).json["code"] == "cap_reached"


def test_it_waits_for_its_hours_and_carries_the_opt_out(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    hours = {"from": "14:00", "to": "20:00"}
    token = small.obtain_token(merchant, consumer, LOANS, ORDERS, **hours)
    assert merchant.send(token, LOANS, "最高可借 5 万元").json["status"] == "deferred"
    assert merchant.send(token, ORDERS, "您的书已发出").json["status"] == "queued"
    small.work()
    assert consumer.texts()[-1] == "【晨光书店】您的书已发出"
    small.clock.advance(timedelta(hours=2))
    small.work()
    assert "最高可借 5 万元" in consumer.texts()[-1]
    page = consumer.get(f"/m/{found(LINK, consumer.texts()[-1])}").text
    assert "贷款推广" in page


def test_it_leaves_after_what_is_transactional(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer, LOANS, ORDERS)
    assert merchant.send(token, LOANS, "最高可借 5 万元").status_code == 202
    assert merchant.send(token, ORDERS, "您的书已发出").status_code == 202
    dispatch_round(small.context, LeaseQuota(limit=1))
    assert consumer.texts()[-1] == "【晨光书店】您的书已发出"


def test_a_full_outbox_takes_no_more_of_it(small: Service) -> None:
    full = small.with_context(relay=replace(small.context.relay, outbox_limit=1))
    merchant, consumer = full.merchant(), full.consumer()
    token = full.obtain_token(merchant, consumer, LOANS, ORDERS)
    assert merchant.send(token, LOANS).status_code == 202
    full.clock.advance(timedelta(seconds=10))
    assert merchant.send(token, LOANS).json["code"] == "outbox_full"
    assert merchant.send(token, ORDERS).status_code == 202


@pytest.mark.parametrize("reply", ["退订广告", "stop ads", "退订1、9", "STOP 1 9"])
def test_no_more_adverts_are_no_more_loans(small: Service, reply: str) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer, PROMOTIONS, LOANS, ORDERS)
    small.reply(consumer.number, PORT, reply)
    for purpose in (PROMOTIONS, LOANS):
        assert merchant.send(token, purpose).json["code"] == "purpose_not_granted"
    assert merchant.send(token, ORDERS).status_code == 202


def test_its_number_stops_one_purpose_and_help_lists_it(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    token = small.obtain_token(merchant, consumer, LOANS, INSURANCE)
    small.reply(consumer.number, PORT, "帮助")
    assert "9 贷款推广、11 保险推广" in consumer.texts()[-1]
    small.reply(consumer.number, PORT, "退订 9")
    assert merchant.send(token, LOANS).json["code"] == "purpose_not_granted"
    assert merchant.send(token, INSURANCE).status_code == 202


def test_a_receipt_says_which_texts_its_terms_bind(small: Service) -> None:
    merchant, consumer = small.merchant(), small.consumer()
    small.obtain_token(merchant, consumer, LOANS)
    page = consumer.log_in().text
    consent = consumer.get(found(re.compile(r'href="(/my/[^"]+)"><bdi>'), page)).text
    receipt = consumer.get(found(re.compile(r'href="(/receipts/[^"./]+)"'), consent)).text
    assert "金融短信：任意 30 天最多 4 条" in receipt


def test_collection_needs_an_admission_by_name(small: Service) -> None:
    merchant = small.legal_merchant()
    refused = merchant.post("/v1/consent-requests", {"purposes": [LOANS, COLLECTION]})
    assert (refused.status_code, refused.json["errors"]) == (
        422, {"purposes": ["class_not_admitted"]},
    )  # fmt: skip
    assert merchant.post("/v1/consent-requests", {"purposes": [LOANS]}).status_code == 201
    applied = apply(small.runtime, application("信达催收", number=7, classes=PurposeClass))
    with pytest.raises(InvalidError):
        approve(
            small.runtime, REVIEWER, applied.id, checked_by="Harbour Platform",
            purposes=frozenset({Purpose.LOANS}),
        )  # fmt: skip
    admitted = approve(
        small.runtime, REVIEWER, applied.id, checked_by="Harbour Platform",
        purposes=frozenset({Purpose.COLLECTION}),
    )  # fmt: skip
    add_sender(
        small.runtime, applied.id, port="10690002", extension="7", signature="信达催收",
        actor=REVIEWER,
    )  # fmt: skip
    collector, consumer = Merchant(small, applied.id, admitted.api_key), small.consumer()
    token = small.obtain_token(collector, consumer, COLLECTION)
    assert collector.send(token, COLLECTION, "您有一笔欠款已逾期").status_code == 202
    small.work()
    assert "您有一笔欠款已逾期" in consumer.texts()[-1]
    with small.runtime.database.engine.begin() as connection:
        connection.execute(sql("UPDATE merchants SET purposes = NULL"))
    assert collector.send(token, COLLECTION).json["code"] == "class_not_admitted"
