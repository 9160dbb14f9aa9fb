"""A whole consent by SMS alone, and the keywords that act."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.keywords import KeywordMatcher
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.gateways.base import MobileOriginated
from consent_tokens.policies import ConsentPolicy
from consent_tokens.services.inbound.keywords import handle_inbound
from consent_tokens.services.runtime import Runtime
from consent_tokens.workers import dispatcher
from tests.number_scan import NUMBERS
from tests.service import ALWAYS, ORDERS, PROMOTIONS, Consumer, Merchant, Service

PORT = "106900011"


class Phone:
    """A phone that can only text, and a merchant with an open consent request."""

    def __init__(self, service: Service) -> None:
        self.service = service.with_context(
            consent=replace(service.context.consent, opt_in_by_reply=True)
        )
        self.merchant: Merchant = self.service.merchant()
        self.consumer: Consumer = self.service.consumer()
        self.asked = self.merchant.ask(PROMOTIONS, ORDERS, **ALWAYS)

    def says(self, text: str, source: str = PORT) -> list[str]:
        """Send a text, and return what is answered."""
        before = len(self.consumer.texts())
        self.service.reply(self.consumer.number, source, text)
        return self.consumer.texts()[before:]

    def grants(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = self.merchant.get("/v1/grants").json["items"]
        return found


@pytest.fixture
def phone(service: Service) -> Phone:
    return Phone(service)


def test_from_invitation_to_stop_and_back(phone: Phone) -> None:
    (question,) = phone.says("订阅")
    for words in ("晨光书店", "打折和活动、您的订单", "30 天最多 4 条", "180 天", "愿意请回 Y"):
        assert words in question
    assert phone.grants() == []
    (agreed,) = phone.says("Y")
    assert "可以给您发短信了" in agreed
    (grant,) = phone.grants()
    assert grant["status"] == "live"

    (told,) = phone.says("帮助")
    assert "1 打折和活动" in told
    assert "5 您的订单" in told
    (narrowed,) = phone.says("退订 1")
    assert "不再发：打折和活动" in narrowed
    assert phone.grants()[0]["scope"]["purposes"] == [ORDERS]
    (stopped,) = phone.says("别再发了")
    assert "已停止" in stopped
    assert phone.grants()[0]["status"] == "revoked"
    assert phone.says("别再发了") == [], "one confirmation at most"

    phone.service.clock.advance(timedelta(days=1))
    (again,) = phone.says("START")
    assert "您的订单" in again, "the question is what this phone had agreed to last"
    (thanks,) = phone.says("yes")
    assert "可以给您发短信了" in thanks
    assert [each["status"] for each in phone.grants()] == ["revoked", "live"]


def test_what_was_agreed_to_by_reply_is_kept_in_its_words(phone: Phone) -> None:
    (question,) = phone.says("订阅")
    phone.says("同意")
    data = phone.consumer.log_in()
    assert data.status_code == 200
    notice = phone.consumer.get("/my/data.json").json["consents"][0]["notice"]["text"].strip()
    assert notice in question


def test_a_no_declines_and_a_late_yes_is_none(phone: Phone) -> None:
    phone.says("订阅")
    phone.says("不同意")
    assert phone.says("Y") == []
    assert phone.grants() == []


def test_a_yes_to_nothing_is_nothing(phone: Phone) -> None:
    assert phone.says("Y") == []
    assert phone.grants() == []


def test_where_the_operator_does_not_allow_it_a_reply_is_no_consent(service: Service) -> None:
    merchant, consumer = service.merchant(), service.consumer()
    merchant.ask(PROMOTIONS, **ALWAYS)
    service.reply(consumer.number, PORT, "订阅")
    question = consumer.texts()[-1]
    assert "愿意请点开" in question
    service.reply(consumer.number, PORT, "Y")
    assert merchant.get("/v1/grants").json["items"] == []
    path = re.search(r"/c/\S+", question)
    assert path
    consumer.agree(path[0], PROMOTIONS)


def test_what_is_unclear_is_asked_back_once_a_day_then_answered_and_never_loops(
    phone: Phone,
) -> None:
    phone.says("订阅")
    phone.says("Y")
    (asked,) = phone.says("不要退订")
    assert "要晨光书店停止发短信吗" in asked
    for unclear in ("如何退订?", "482913"):
        (answered,) = phone.says(unclear)
        assert "全部停止请回 R" in answered, "a second doubtful text is not met with silence"
    for _ in range(20):
        phone.says("如何退订?")
    assert phone.says("如何退订?") == [], "two machines that answer each other stop"
    assert phone.grants()[0]["status"] == "live"
    phone.service.clock.advance(timedelta(days=1))
    (again,) = phone.says("如何退订?")
    assert "要晨光书店停止发短信吗" in again
    assert phone.says("谢谢") == []


def test_help_does_not_answer_for_ever(phone: Phone) -> None:
    phone.says("订阅")
    phone.says("Y")
    answers = sum(len(phone.says("help")) for _ in range(20))
    assert answers <= 6


def test_stop_all_ends_every_merchants(phone: Phone) -> None:
    other = phone.service.merchant("乙店")
    theirs = phone.service.obtain_token(other, phone.consumer, PROMOTIONS, **ALWAYS)
    phone.says("订阅")
    phone.says("Y")
    (told,) = phone.says("全部退订")
    assert "2 家商家" in told
    assert other.send(theirs).json["code"] == "consent_revoked"
    assert phone.grants()[0]["status"] == "revoked"


def test_start_goes_on_after_a_pause(phone: Phone) -> None:
    phone.says("订阅")
    phone.says("Y")
    page = phone.consumer.log_in().text
    grant = page.split('name="grant" value="')[1].split('"')[0]
    phone.consumer.post("/my", page, action="pause", grant=grant)
    assert phone.grants()[0]["status"] == "paused"
    phone.says("恢复")
    assert phone.grants()[0]["status"] == "live"


def test_replies_to_nobody_and_from_nobody_change_nothing(phone: Phone) -> None:
    for text in ("STOP", "Y", "START", "help", "482913", "", "\x00", "x" * 5000):
        assert phone.says(text, "999") == []
    assert phone.says("退订") == []
    assert phone.grants() == []


@pytest.mark.parametrize(("language", "number"), [("en", NUMBERS[8]), ("zh-TW", NUMBERS[11])])
def test_answers_are_in_the_language_of_the_consent(
    service: Service, language: str, number: str
) -> None:
    merchant, consumer = service.merchant(), service.consumer(number)
    path = merchant.ask(PROMOTIONS, locale=language, **ALWAYS)["path"]
    consumer.get(f"{path}?lang={language}")
    consumer.agree(path, PROMOTIONS)
    service.reply(number, PORT, "STOP")
    words = {"en": "Stopped.", "zh-TW": "已停止。晨光书店不會再傳簡訊給您。"}[language]
    assert words in consumer.texts()[-1]


def test_a_message_that_always_fails_is_set_aside_and_the_next_one_counts(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.says("订阅")
    phone.says("Y")
    attempts = []

    def fail(
        runtime: Runtime, policy: ConsentPolicy, matcher: KeywordMatcher, inbound: MobileOriginated
    ) -> list[Grant]:
        if inbound.text == "nobody can handle this":
            attempts.append(inbound)
            raise RuntimeError("a fault of the handler")
        return handle_inbound(runtime, policy, matcher, inbound)

    monkeypatch.setattr(dispatcher, "handle_inbound", fail)
    simulator, work = phone.service.simulator, phone.service.work
    number = PhoneNumber.parse(phone.consumer.number)
    simulator.reply(number, PORT, "nobody can handle this")
    simulator.reply(number, PORT, "TD")
    for _ in range(4):
        with pytest.raises(RuntimeError):
            work()
        assert phone.grants()[0]["status"] == "live"
    work()
    assert len(attempts) == 5
    assert phone.grants()[0]["status"] == "revoked"
