"""From an inbound message to the grant and the SMS that answers it."""

from datetime import timedelta

import pytest

from consent_tokens.consent.keywords import Interpretation, KeywordMatcher
from tests.inbound.replies import Reply, cases
from tests.service import ALWAYS, PROMOTIONS, Consumer, Merchant, Service

PORT = "106900011"
SAMPLE = [each for each in cases() if not each.is_untouched][::6]
ASKED = "要晨光书店停止发短信吗"


class Phone:
    """A phone with a live consent to one merchant."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.merchant: Merchant = service.merchant()
        self.consumer: Consumer = service.consumer()
        self.token = service.obtain_token(self.merchant, self.consumer, PROMOTIONS, **ALWAYS)

    def says(self, text: str) -> list[str]:
        """Send a text, and return what is answered."""
        before = len(self.consumer.texts())
        self.service.reply(self.consumer.number, PORT, text)
        return self.consumer.texts()[before:]

    @property
    def is_live(self) -> bool:
        return bool(self.merchant.get("/v1/grants").json["items"][0]["status"] == "live")


@pytest.fixture
def phone(service: Service) -> Phone:
    return Phone(service)


@pytest.mark.parametrize("reply", SAMPLE, ids=lambda reply: f"{reply.source}-{reply.text[:20]}")
def test_a_reply_ends_a_consent_or_is_asked_back_as_it_should(phone: Phone, reply: Reply) -> None:
    answers = phone.says(reply.text)
    if reply.want in {"stop", "stop_one"}:
        assert not phone.is_live
        assert "已停止" in answers[0]
    elif reply.want == "stop_or_ask":
        assert not phone.is_live or ASKED in answers[0]
    else:
        assert phone.is_live
    if reply.want == "quiet":
        assert answers == []


@pytest.mark.parametrize("yes", ["yes", "好", "是", "STOP", "R", "要停"])
def test_a_yes_to_the_question_stops(phone: Phone, yes: str) -> None:
    (asked,) = phone.says("打错了")
    assert ASKED in asked
    phone.service.clock.advance(timedelta(hours=30))
    (stopped,) = phone.says(yes)
    assert "已停止" in stopped
    assert not phone.is_live


@pytest.mark.parametrize("no", ["no", "不", "不用"])
def test_a_no_to_the_question_goes_on(phone: Phone, no: str) -> None:
    assert len(phone.says("打错了")) == 1
    assert phone.says(no) == []
    assert phone.is_live
    assert phone.says("yes") == [], "the question is answered"
    assert phone.is_live


def test_a_yes_to_no_question_or_to_an_old_one_stops_nothing(phone: Phone) -> None:
    phone.says("yes")
    assert phone.is_live
    phone.says("wrong number")
    phone.service.clock.advance(timedelta(hours=73))
    phone.says("yes")
    assert phone.is_live


def test_a_second_text_that_leans_to_a_stop_stops(phone: Phone) -> None:
    (asked,) = phone.says("STPO")
    assert ASKED in asked
    (stopped,) = phone.says("打错了")
    assert "已停止" in stopped
    assert not phone.is_live


def test_a_plain_no_is_asked_back(phone: Phone) -> None:
    (asked,) = phone.says("No")
    assert ASKED in asked
    assert phone.is_live


def test_what_is_less_likely_a_stop_is_asked_back_only_soon_after_a_message(phone: Phone) -> None:
    phone.service.clock.advance(timedelta(hours=73))
    assert phone.says("please stop the delivery") == []
    phone.merchant.send(phone.token)
    phone.service.work()
    assert len(phone.says("please stop the delivery")) == 1
    assert phone.is_live


def test_all_messages_of_one_merchant_are_not_those_of_others(phone: Phone) -> None:
    other = phone.service.merchant("乙店")
    theirs = phone.service.obtain_token(other, phone.consumer, PROMOTIONS, **ALWAYS)
    phone.says("你们家的全部退订")
    assert not phone.is_live
    assert other.send(theirs).status_code == 202
    (told,) = phone.says("所有商家都退订")
    assert "已停止" in told or "全部" in told
    assert other.send(theirs).json["code"] == "consent_revoked"


def test_a_text_that_the_reader_fails_on_is_asked_back(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: KeywordMatcher, text: str) -> Interpretation:
        raise ValueError(text)

    monkeypatch.setattr(KeywordMatcher, "interpret", fail)
    (asked,) = phone.says("whatever")
    assert ASKED in asked
