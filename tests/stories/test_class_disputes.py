"""An advert in a variable of an approved template: reported, found, decided and stopped."""

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from consent_tokens.errors import InvalidError
from consent_tokens.evidence.complaints import Complaint, ComplaintStatus
from consent_tokens.evidence.events import Event
from consent_tokens.services.admission.actors import Actor
from consent_tokens.services.complaints import decide_complaint
from consent_tokens.store import complaints, events, merchants
from consent_tokens.store.database import Transaction
from consent_tokens.store.operators import Role
from tests.number_scan import NUMBERS
from tests.service import (
    ORDERS,
    PORT,
    PROMOTIONS,
    REVIEWER,
    WIDE,
    Consumer,
    Merchant,
    Service,
    extension_of,
)

SENDER = PORT + extension_of(1)
TEXT = "亲爱的{name}您好，您的订单{order}已发出，请留意收货"
ADVERT_NAME = "返场五折快来"  # letters alone: it has the form of a name
CASE_NUMBER = re.compile(r"\d{16}")
DAY = timedelta(days=1)


class Shop:
    """A company with an approved template, and people who agreed to texts about orders."""

    def __init__(self, service: Service, people: int = 4, **scope: object) -> None:
        self.service = service.with_context(otp=WIDE)
        self.merchant: Merchant = self.service.legal_merchant()
        self.template = self.approved()
        self.people = [self.service.consumer(number) for number in NUMBERS[:people]]
        self.tokens = {
            each.number: self.service.obtain_token(self.merchant, each, ORDERS, PROMOTIONS, **scope)
            for each in self.people
        }
        self.sent = 0

    def approved(self) -> str:
        variables = {
            "name": {"type": "name", "max_length": 20},
            "order": {"type": "order", "max_length": 32},
        }
        made = self.service.template(
            self.merchant, ORDERS, TEXT, variables=variables, event_type="order"
        )
        return str(made["id"])

    def send(self, consumer: Consumer) -> str | None:
        """Send the advert in the name; return the refusal."""
        self.sent += 1
        order = f"DD20211111{self.sent:05}"
        answer = self.merchant.post(
            "/v1/messages",
            {
                "token": self.tokens[consumer.number],
                "purpose": ORDERS,
                "template": self.template,
                "variables": {"name": ADVERT_NAME, "order": order},
                "event": {"type": "order", "id": order},
            },
        )
        self.service.work()
        code: str | None = answer.json.get("code")
        return code

    def report(self, consumer: Consumer, word: str = "举报") -> str:
        """Report by reply; return the answer."""
        self.service.reply(consumer.number, SENDER, word)
        return consumer.texts()[-1]

    def filed(self) -> list[Complaint]:
        """Return the complaints, the oldest first."""
        found = self.service.runtime.database.read(
            lambda transaction: complaints.latest(transaction, 100)
        )
        return sorted(found, key=lambda each: (each.filed_at, each.key))

    def status(self) -> str:
        return str(self.merchant.get(f"/v1/templates/{self.template}").json["status"])

    def decide(self, status: ComplaintStatus, reason: str = "名字里是广告") -> None:
        runtime = self.service.runtime
        public_id = runtime.ids.complaint.encode(self.filed()[0].key)
        decide_complaint(runtime, public_id, status, actor=REVIEWER, reason=reason)

    def kinds(self) -> list[str]:
        """Return the kinds of the events in the merchant's partition."""

        def read(transaction: Transaction) -> Sequence[Event]:
            merchant = merchants.find(transaction, self.merchant.id)
            assert merchant
            long_ago = self.service.clock.now() - 400 * DAY
            return events.of_partition(transaction, merchant.partition, long_ago)

        return [each.kind.value for each in self.service.runtime.database.read(read)]

    def case_page(self, consumer: Consumer, answer: str) -> str:
        match = CASE_NUMBER.search(answer)
        assert match, answer
        consumer.post("/reports", number=match[0])
        return consumer.get("/reports").text


def shop_with_old_consents(service: Service, people: int = 4) -> Shop:
    shop = Shop(service, people)
    service.clock.advance(2 * DAY)
    return shop


def test_an_advert_in_a_variable_is_reported_found_and_stopped(service: Service) -> None:
    shop = shop_with_old_consents(service)
    first, second, third, fourth = shop.people
    for each in shop.people:
        assert shop.send(each) is None, "the relay reads no words: it cannot know"
    answers = {}
    disputed_before = service.metric("consent_templates_disputed_total")
    with capture_logs() as lines:
        for each in (first, second):
            answers[each.number] = shop.report(each)
            assert shop.status() == "approved"
        assert not [line for line in lines if line["event"] == "template_disputed"]
        third.post("/report", phone=third.number)
        shown = {
            "sender": SENDER,
            "text": next(text for text in third.texts() if ADVERT_NAME in text),
            "at": service.clock.now().astimezone().strftime("%Y-%m-%dT%H:%M"),
        }
        third.post("/report", code=third.code(), reason="no_such_order", **shown)
    assert "由人工先判断" in third.get("/reports").text
    alarms = [line for line in lines if line["event"] == "template_disputed"]
    assert [line["template"] for line in alarms] == [shop.template]
    assert {(each.verdict, each.status) for each in shop.filed()} == {
        ("class_disputed", "in_review")
    }
    assert "template_disputed" in shop.kinds()
    assert shop.service.metric("consent_templates_disputed_total") == disputed_before + 1
    assert shop.status() == "approved", "complaints alone withhold nothing"

    shop.decide(ComplaintStatus.UPHELD)
    assert shop.status() == "withdrawn"
    assert shop.send(first) == "template_rejected"
    assert {(each.verdict, each.status) for each in shop.filed()} == {("wrong_class", "upheld")}
    assert "是广告" in shop.case_page(first, answers[first.number])
    assert "是广告" in shop.case_page(fourth, shop.report(fourth)), "judged once for the template"


def test_a_disputed_text_counts_as_marketing_once_it_is_decided(service: Service) -> None:
    shop = Shop(service, 1, max_messages=3, per_days=30)
    (person,) = shop.people
    for _ in range(4):
        assert shop.send(person) is None
    shop.report(person)
    service.clock.advance(DAY)
    shop.decide(ComplaintStatus.UPHELD)
    token = shop.tokens[person.number]
    answers = [shop.merchant.send(token, PROMOTIONS, f"好{n}").json.get("code") for n in range(3)]
    assert answers == [None, None, "cap_reached"], (
        "three in thirty days, and one of the orders was an advert"
    )


def test_one_person_and_new_consents_weigh_less_than_three(service: Service) -> None:
    shop = Shop(service)
    for each in shop.people:
        shop.send(each)
        shop.send(each)
        for word in ("report", "no such order"):
            shop.report(each, word)
    assert {each.status for each in shop.filed()} == {"received"}, "consents of today count half"
    assert "template_disputed" not in shop.kinds()


def test_what_was_dismissed_is_said_and_counts_for_nothing(service: Service) -> None:
    shop = shop_with_old_consents(service, 1)
    (person,) = shop.people
    shop.send(person)
    answer = shop.report(person, "没有这个订单")
    assert shop.filed()[0].reason == "no_such_order"
    public_id = service.runtime.ids.complaint.encode(shop.filed()[0].key)
    with pytest.raises(InvalidError):
        decide_complaint(
            service.runtime, public_id, ComplaintStatus.UPHELD, actor=Actor("opr_a", Role.ADMIN)
        )
    shop.decide(ComplaintStatus.NOT_UPHELD, "订单属实")
    assert (shop.status(), shop.filed()[0].verdict) == ("approved", "right_class")
    assert "不是广告" in shop.case_page(person, answer)


def test_a_text_is_reported_from_my_consents_whatever_its_class(service: Service) -> None:
    shop = shop_with_old_consents(service, 1)
    (person,) = shop.people
    shop.send(person)
    page = person.log_in().text
    link = re.search(r"/my/consents/[\w-]+", page)
    assert link
    report = re.search(r'href="(/m/[\w-]+/report)"', person.get(link[0]).text)
    assert report
    assert person.post(report[1], reason="advert").status_code == 303
    assert shop.filed()[0].verdict == "class_disputed"


def test_a_second_report_of_one_text_may_be_a_stop(service: Service) -> None:
    shop = shop_with_old_consents(service, 1)
    (person,) = shop.people
    shop.send(person)
    assert "举报编号" in shop.report(person)
    assert "停止" in shop.report(person)
    shop.report(person)
    assert (
        shop.merchant.send(shop.tokens[person.number], PROMOTIONS).json["code"] == "consent_revoked"
    )
    assert len(shop.filed()) == 1
