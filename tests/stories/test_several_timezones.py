"""A number that may be in several time zones, from the question to the text (tests/cases/32)."""

import re
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from tests.number_scan import NUMBERS
from tests.service import ORDERS, PROMOTIONS, Consumer, Merchant, Page, Service, found, otp_policy

BRITISH, AUSTRALIAN, RUSSIAN, ITALIAN = (
    next(each for each in NUMBERS if each.startswith(code)) for code in ("+44", "+61", "+7", "+39")
)
WIDE = otp_policy("number=1000/hour;client_ip=1000/hour;total=100000/hour")
GRANT = re.compile(r'name="grant" value="([^"]+)"')
HOURS = {"from": "09:00", "to": "21:00"}


class Asked:
    """A consumer with a number of several time zones, who has typed it on a question."""

    def __init__(self, service: Service, number: str, **terms: object) -> None:
        self.service = service.with_context(otp=WIDE)
        self.merchant: Merchant = self.service.merchant()
        self.consumer: Consumer = self.service.consumer(number)
        self.request = self.merchant.ask(PROMOTIONS, ORDERS, locale="en", **{**HOURS, **terms})
        self.path = self.request["path"]
        self.question = self.consumer.get(self.path).text
        self.consumer.post(self.path, purposes=[PROMOTIONS, ORDERS], phone=number, decision="grant")

    def choose(self, name: str) -> Page:
        return self.consumer.post(self.path, action="timezone", timezone=name)

    def agree(self) -> str:
        done = self.consumer.post(self.path, code=self.consumer.code(), decision="grant")
        assert done.status_code == 303, done.text
        return self.merchant.token(self.request)


def zones_of(token: str) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    return str(claims["limits"]["tz"])


def test_no_time_zone_is_named_before_the_number_is_known(service: Service) -> None:
    asked = Asked(service, AUSTRALIAN)
    assert "your local time" in asked.question
    assert "Shanghai" not in asked.question


def test_offers_leave_when_it_is_day_everywhere_and_orders_at_any_hour(service: Service) -> None:
    asked = Asked(service, AUSTRALIAN)
    assert "every time zone of your country (Australia)" in asked.consumer.get(asked.path).text
    token = asked.agree()
    zones = zones_of(token).split(" ")
    assert zones[0] == "Australia/Sydney"
    assert "Australia/Perth" in zones
    asked.service.clock.advance(timedelta(hours=18))  # 12 November 22:00Z: 09:00 in Sydney
    answer = asked.merchant.send(token, PROMOTIONS).json
    assert answer["status"] == "deferred"
    at = datetime.fromisoformat(answer["send_after"])
    assert at == datetime(2021, 11, 12, 2, 30, tzinfo=UTC)  # 09:00 on Cocos, 10:30 in Perth
    assert asked.merchant.send(token, ORDERS).json["status"] == "queued"
    inspected = asked.merchant.post("/v1/tokens/introspect", {"token": token}).json
    assert inspected["next_at"].startswith("2021-11-12T02:30")
    grant = asked.merchant.get("/v1/grants").json["items"][0]
    assert grant["scope"]["tz"] == zones_of(token)
    renewed = asked.merchant.post("/v1/tokens/renew", {"token": token}).json["token"]
    assert zones_of(renewed) == zones_of(token)


def test_who_chooses_a_time_zone_has_that_one_in_notice_and_token(service: Service) -> None:
    asked = Asked(service, AUSTRALIAN)
    assert asked.choose("Australia/Perth").status_code == 303
    notice = asked.consumer.get(asked.path).text
    assert "Perth time" in notice
    assert "every time zone" not in notice
    token = asked.agree()
    assert zones_of(token) == "Australia/Perth"
    asked.service.clock.advance(timedelta(hours=18))
    at = asked.merchant.send(token, PROMOTIONS).json["send_after"]
    assert at.startswith("2021-11-12T01:00")


def test_a_choice_can_be_taken_back_and_another_zone_cannot_be_chosen(service: Service) -> None:
    asked = Asked(service, AUSTRALIAN)
    asked.choose("Australia/Perth")
    assert asked.choose("Europe/Berlin").status_code == 422
    assert asked.choose("").status_code == 303
    assert "Australia/Sydney" in zones_of(asked.agree())


def test_hours_that_are_never_open_everywhere_need_a_choice(service: Service) -> None:
    asked = Asked(service, RUSSIAN, to="12:00")
    shown = asked.consumer.get(asked.path).text
    assert "您在哪个时区" in shown
    assert 'name="code"' not in shown
    asked.choose("Asia/Omsk")
    assert zones_of(asked.agree()) == "Asia/Omsk"


def test_narrowing_to_hours_that_are_never_open_everywhere_is_an_error(service: Service) -> None:
    asked = Asked(service, RUSSIAN)
    asked.agree()
    page = asked.consumer.log_in().text
    answer = asked.consumer.post(
        "/my", page, action="narrow", grant=found(GRANT, page), purposes=[PROMOTIONS], to=12 * 60
    )
    assert answer.status_code == 422


def test_quiet_hours_are_quiet_in_each_of_the_time_zones(service: Service) -> None:
    asked = Asked(service, AUSTRALIAN)
    token = asked.agree()
    asked.consumer.log_in()
    wishes = asked.consumer.get("/my/wishes").text
    # noon to 13:00: from 01:00Z in Sydney, one zone after the other, to 06:30Z on Cocos
    asked.consumer.post("/my", wishes, action="rest", **{"from": 12 * 60, "to": 13 * 60})
    asked.service.clock.advance(timedelta(hours=21, minutes=15))  # 12 November, 01:15Z
    answer = asked.merchant.send(token, ORDERS).json
    assert answer["send_after"].startswith("2021-11-12T06:30")
    asked.consumer.log_in()
    data = asked.consumer.get("/my/data.json").json
    assert data["preferences"]["quiet_hours"]["tz"] == zones_of(token)


def test_times_on_pages_say_whose_time_they_are(service: Service) -> None:
    asked = Asked(service, AUSTRALIAN)
    token = asked.agree()
    asked.service.clock.advance(timedelta(hours=24))
    assert asked.merchant.send(token, PROMOTIONS).json["status"] == "queued"
    asked.service.work()
    page = asked.consumer.log_in().text
    shown = asked.consumer.get(f"/my/consents/{found(GRANT, page)}?lang=en").text
    assert "(Sydney time)" in shown


@pytest.mark.parametrize("number", [BRITISH, ITALIAN])
def test_a_number_of_one_time_has_no_choice(service: Service, number: str) -> None:
    asked = Asked(service, number)
    page = asked.consumer.get(asked.path).text
    assert 'name="timezone"' not in page
    assert "Guernsey" not in page
    assert " " not in zones_of(asked.agree())
