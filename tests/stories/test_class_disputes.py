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
from consent_tokens.services.complaint_additions import read_shown_text
from consent_tokens.services.complaints import decide_complaint
from consent_tokens.services.retention.sweep import apply_retention
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
    found,
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
        filed = self.service.runtime.database.read(
            lambda transaction: complaints.latest(transaction, 100)
        )
        return sorted(filed, key=lambda each: (each.filed_at, each.key))

    def public_id(self, place: int = 0) -> str:
        return self.service.runtime.ids.complaint.encode(self.filed()[place].key)

    def status(self) -> str:
        return str(self.merchant.get(f"/v1/templates/{self.template}").json["status"])

    def decide(self, status: ComplaintStatus, reason: str = "名字里是广告") -> None:
        decide_complaint(
            self.service.runtime, self.public_id(), status, actor=REVIEWER, reason=reason
        )

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


class Judged:
    """One person's advert, sent as an order at night, and what is found of it as marketing."""

    def __init__(self, service: Service, **scope: object) -> None:
        self.shop = Shop(service, 1, **scope)
        (self.person,) = self.shop.people
        self.clock = service.clock

    def set_quiet(self) -> None:
        self.person.log_in()
        until = (self.clock.now() + 9 * DAY).date().isoformat()
        assert (
            self.person.post(
                "/my", self.person.get("/my/wishes").text, action="calm", until=until
            ).status_code
            == 303
        )

    def end_quiet(self) -> None:
        page = self.person.get("/my/wishes").text
        ends = found(re.compile(r'name="ends" value="(\d+)"'), page)
        assert self.person.post("/my", page, action="no_calm", ends=ends).status_code == 303

    def findings(self, *, uphold: bool = True) -> list[str] | None:
        """Decide, and return what was found."""
        self.shop.decide(ComplaintStatus.UPHELD if uphold else ComplaintStatus.NOT_UPHELD)
        judged = self.shop.filed()[0].findings
        return None if judged is None else [each.value for each in judged]


def test_an_upheld_text_is_judged_as_marketing(service: Service) -> None:
    story = Judged(service, **{"from": "09:00", "to": "10:00"}, max_messages=1, per_days=30)
    service.clock.advance(timedelta(hours=12))
    story.shop.send(story.person)
    answer = story.shop.report(story.person)
    assert story.shop.filed()[0].findings is None, "nobody has decided"
    assert story.findings() == ["outside_hours"]
    page = story.shop.case_page(story.person, answer)
    assert "不在您同意接收广告的时段内" in page
    assert "超出了您同意的广告条数" not in page


def test_what_came_before_counts_against_the_cap_of_a_judged_text(small: Service) -> None:
    story = Judged(small, max_messages=1, per_days=30)
    token = story.shop.tokens[story.person.number]
    assert story.shop.merchant.send(token, PROMOTIONS).status_code == 202
    small.work()
    small.clock.advance(timedelta(minutes=1))
    story.shop.send(story.person)
    story.shop.report(story.person)
    assert story.findings() == ["over_cap"]


def test_a_quiet_period_is_judged_as_it_was_when_the_text_was_reported(small: Service) -> None:
    story = Judged(small)
    story.set_quiet()
    small.clock.advance(timedelta(minutes=5))
    story.shop.send(story.person)
    answer = story.shop.report(story.person)
    story.end_quiet()
    assert story.findings() == ["in_quiet_period"], "what changed afterwards changes nothing"
    assert "不接收推销的时间" in story.shop.case_page(story.person, answer)


def test_what_is_not_known_of_a_quiet_period_is_said(small: Service) -> None:
    story = Judged(small)
    story.set_quiet()
    small.clock.advance(timedelta(minutes=5))
    story.shop.send(story.person)
    small.clock.advance(timedelta(minutes=5))
    story.end_quiet()
    story.shop.report(story.person)
    assert story.findings() == ["quiet_period_unknown"]


def test_a_dismissed_text_is_not_judged(small: Service) -> None:
    story = Judged(small, **{"from": "09:00", "to": "10:00"})
    story.shop.send(story.person)
    story.shop.report(story.person)
    assert story.findings(uphold=False) is None


def test_who_agreed_to_no_adverts_is_told_so(small: Service) -> None:
    shop = Shop(small, 0)
    person = shop.service.consumer(NUMBERS[0])
    shop.tokens[person.number] = shop.service.obtain_token(shop.merchant, person, ORDERS)
    shop.send(person)
    answer = shop.report(person)
    shop.decide(ComplaintStatus.UPHELD)
    assert [each.value for each in shop.filed()[0].findings or ()] == ["adverts_not_agreed"]
    assert "没有同意接收该商家的广告" in shop.case_page(person, answer)


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


def test_no_operator_reads_a_text_that_its_consumer_does_not_show(small: Service) -> None:
    shop = shop_with_old_consents(small, 1)
    (person,) = shop.people
    shop.send(person)
    page = shop.case_page(person, shop.report(person))
    assert "您在那里下过单吗" in page
    person.post("/reports", page, action="answer", ordered="no")
    (filed,) = shop.filed()
    assert (filed.has_ordered, filed.shown_text) == (False, None)
    assert read_shown_text(small.runtime, REVIEWER, filed) is None
    assert "出示给做判断的人" in person.get("/reports").text, "the text may still be shown"


def test_a_text_is_shown_to_whoever_decides_and_that_it_was_read_is_recorded(
    small: Service,
) -> None:
    shop = shop_with_old_consents(small, 1)
    (person,) = shop.people
    shop.send(person)
    page = shop.case_page(person, shop.report(person))
    answer = person.post("/reports", page, action="answer", ordered="yes", show_text="yes")
    assert answer.status_code == 303
    assert "已出示给做判断的人" in person.get("/reports").text
    (filed,) = shop.filed()
    analyst = Actor("opr_analyst", Role.ANALYST)
    assert read_shown_text(small.runtime, analyst, filed) is None
    text = read_shown_text(small.runtime, REVIEWER, filed)
    assert ADVERT_NAME in (text or "")
    recorded = [
        (each.kind, each.reason, each.actor)
        for each in small.runtime.database.read(
            lambda at: events.of_partition(at, filed.key.partition, small.clock.now())
        )
        if each.kind.startswith(("complaint_answered", "complaint_text"))
    ]
    assert sorted(recorded) == [
        ("complaint_answered", "ordered text_shown", None),
        ("complaint_text_read", None, REVIEWER.id),
    ]
    shop.decide(ComplaintStatus.UPHELD)
    person.post("/reports", page, action="answer", ordered="no")
    assert shop.filed()[0].has_ordered is True, "what was said stays as it was decided on"


def test_a_text_whose_words_are_deleted_cannot_be_shown(small: Service) -> None:
    shop = shop_with_old_consents(small, 1)
    (person,) = shop.people
    shop.send(person)
    answer = shop.report(person)
    small.clock.advance(31 * DAY)
    apply_retention(small.runtime, small.context.consent)
    page = shop.case_page(person, answer)
    assert "内容我们已经删除" in page
    assert "show_text" not in page
    person.post("/reports", page, action="answer", show_text="yes")
    assert shop.filed()[0].shown_text is None


def test_what_was_shown_is_erased_with_the_rest(small: Service) -> None:
    shop = shop_with_old_consents(small, 1)
    (person,) = shop.people
    shop.send(person)
    page = shop.case_page(person, shop.report(person))
    person.post("/reports", page, action="answer", ordered="yes", show_text="yes")
    small.runtime.database.run(
        lambda at: complaints.delete_statements(at, shop.filed()[0].key.partition)
    )
    (filed,) = shop.filed()
    assert (filed.has_ordered, filed.shown_text) == (None, None)
