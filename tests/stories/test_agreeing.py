"""Answering a consent request: twice, late, with a wrong code, with a session that is gone."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from consent_tokens.app_context import DEFAULTS
from tests.number_scan import NUMBERS
from tests.service import ALWAYS, CSRF, NOTICE, ORDERS, PROMOTIONS, Consumer, Page, Service, found
from tests.service import otp_policy as policy

AUSTRALIAN, RUSSIAN = (
    next(each for each in NUMBERS if each.startswith(code)) for code in ("+61", "+7")
)
WRONG_CODE = "验证码错误或已失效"
AGREED = "可以给您发短信了"
WAITING = policy("number=1000/hour;client_ip=100000/hour;total=1000000/hour", DEFAULTS.otp.waits)
OWN_FORM = {"Sec-Fetch-Site": "same-origin"}


def cookies(consumer: Consumer) -> str:
    """Return the session cookie of a browser."""
    cookie = consumer.browser.get_cookie("session")
    assert cookie
    return cookie.value


def ticked(page: str) -> list[str]:
    """Return the purposes that a page has ticked."""
    return re.findall(r'name="purposes" value="([^"]+)" checked', page)


def answer_form(consumer: Consumer, path: str, code: str) -> dict[str, str]:
    """Return the form of the page that waits for a code, filled in."""
    shown = consumer.get(path).text
    return {
        "csrf": found(CSRF, shown),
        "notice": found(NOTICE, shown),
        "code": code,
        "decision": "grant",
    }


class Asked:
    """A consumer who was sent a code for a merchant's request."""

    def __init__(self, service: Service, number: str = NUMBERS[0], **choice: object) -> None:
        self.merchant = service.merchant()
        self.request = self.merchant.ask(PROMOTIONS, ORDERS, **ALWAYS)
        self.path = self.request["path"]
        self.consumer = service.consumer(number)
        self.ask(None, **choice)

    def ask(self, number: str | None = None, **choice: object) -> Page:
        form: Mapping[str, object] = {"purposes": [PROMOTIONS], **choice}
        shown = self.consumer.get(f"{self.path}?again=1").text
        phone = number or self.consumer.number
        answer = self.consumer.post(self.path, shown, phone=phone, decision="grant", **form)
        self.consumer.service.work()  # the code arrives before any later one
        return answer

    def form(self) -> dict[str, str]:
        return answer_form(self.consumer, self.path, self.consumer.code())

    def submit(self, form: dict[str, str]) -> Page:
        return self.consumer.browser.post(self.path, data=form)

    @property
    def status(self) -> str:
        body = self.merchant.get(f"/v1/consent-requests/{self.request['id']}").json
        return str(body["status"])

    @property
    def grants(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.merchant.get("/v1/grants").json["items"]
        return items


def test_the_same_yes_again_answers_as_the_first_time(service: Service) -> None:
    """Also after Back: the form is that of the page that was shown before."""
    asked = Asked(service)
    form = asked.form()
    for _ in range(3):
        answer = asked.submit(form)
        assert answer.status_code == 303
        assert answer.headers["Location"] == asked.path
        shown = asked.consumer.get(asked.path).text
        assert AGREED in shown
        assert "/receipts/" in shown
    assert len(asked.grants) == 1


def test_a_yes_whose_answer_was_lost_is_answered_as_the_first_time(service: Service) -> None:
    """The cookie of the first answer never came, as after a double tap."""
    asked = Asked(service)
    merchant, consumer = asked.merchant, asked.consumer
    consumer.agree(merchant.ask(PROMOTIONS, **ALWAYS)["path"], PROMOTIONS)
    asked.ask()
    form, before = asked.form(), cookies(consumer)
    asked.submit(form)
    first = consumer.get(asked.path).text
    consumer.browser.set_cookie("session", before)
    assert AGREED in consumer.get(asked.path).text, "without the form, too"
    assert asked.submit(form).status_code == 303
    assert consumer.get(asked.path).text == first
    assert 'class="replaced"' in first
    assert len(asked.grants) == 2


def test_the_same_yes_many_times_at_once_is_one_consent(service: Service) -> None:
    asked = Asked(service)
    form, cookie = asked.form(), cookies(asked.consumer)

    def tap(_: int) -> tuple[int, str]:
        browser = service.app.test_client()
        browser.set_cookie("session", cookie)
        answer = browser.post(asked.path, data=form)
        return answer.status_code, browser.get(asked.path).text

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(tap, range(6)))
    assert {status for status, _ in answers} == {303}
    assert all(AGREED in shown for _, shown in answers)
    assert len(asked.grants) == 1


def test_only_the_browser_that_said_yes_is_shown_the_decision(small: Service) -> None:
    asked = Asked(small)
    asked.submit(asked.form())
    shown = small.consumer(NUMBERS[1]).get(asked.path).text
    assert "/receipts/" not in shown
    assert AGREED not in shown


def test_a_no_after_the_yes_takes_it_back(service: Service) -> None:
    """After Back the two buttons are there again; a no always counts."""
    asked = Asked(service)
    form = asked.form()
    asked.submit(form)
    assert asked.submit({**form, "decision": "decline"}).status_code == 303
    shown = asked.consumer.get(asked.path).text
    assert AGREED not in shown
    assert asked.grants[0]["status"] == "revoked"
    asked.submit(form)
    assert asked.grants[0]["status"] == "revoked", "a yes after it brings nothing back"


def test_the_same_no_again_answers_as_the_first_time(small: Service) -> None:
    asked = Asked(small)
    form = {**asked.form(), "decision": "decline"}
    before = cookies(asked.consumer)
    for cookie in (before, None, before):
        if cookie:
            asked.consumer.browser.set_cookie("session", cookie)
        assert asked.submit(form).status_code == 303
    assert asked.status == "declined"


def test_a_decision_that_was_made_elsewhere_is_said(small: Service) -> None:
    asked = Asked(small)
    form = asked.form()
    other = small.consumer(NUMBERS[1])
    other.post(asked.path, decision="decline")
    assert asked.submit(form).status_code == 303
    assert "已答复" in asked.consumer.get(asked.path).text
    assert asked.grants == []


def test_a_wrong_code_answers_by_redirect_and_keeps_everything(small: Service) -> None:
    asked = Asked(small, max_messages=2)
    form = asked.form()
    wrong = f"{(int(form['code']) + 1) % 1_000_000:06}"
    answer = asked.submit({**form, "code": wrong})
    assert answer.status_code == 303
    shown = asked.consumer.get(asked.path).text
    assert WRONG_CODE in shown.split("<h1")[0], "on top of the page"
    assert 'href="#code"' in shown
    assert form["notice"] in shown
    assert WRONG_CODE not in asked.consumer.get(asked.path).text, "once"
    assert asked.submit(form).status_code == 303
    assert AGREED in asked.consumer.get(asked.path).text


def test_changing_the_number_keeps_what_was_chosen(small: Service) -> None:
    asked = Asked(small, AUSTRALIAN, max_messages=2, expires_in_days=30)
    choice = {"action": "timezone", "timezone": "Australia/Perth"}
    asked.consumer.post(asked.path, **choice)
    shown = asked.consumer.get(asked.path).text
    assert f"•••• {AUSTRALIAN[-4:]}" in shown
    assert AUSTRALIAN[3:] not in shown
    again = asked.consumer.get(f"{asked.path}?again=1").text
    assert ticked(again) == [PROMOTIONS]
    assert '<option value="2" selected>' in again
    assert '<option value="30" selected>' in again
    asked.ask(max_messages=2)
    assert "Australia/Perth" in re.findall(
        r'value="([^"]+)" selected', asked.consumer.get(asked.path).text
    )
    asked.ask(NUMBERS[1])
    assert "Australia/Perth" not in asked.consumer.get(asked.path).text


def test_the_same_number_again_is_sent_one_code_while_it_waits(small: Service) -> None:
    """Who presses the button twice, or changes what is ticked, is not told to wait."""
    asked = Asked(small.with_context(otp=WAITING))
    for _ in range(2):
        assert asked.ask(purposes=[ORDERS]).status_code == 303
    asked.consumer.code()
    assert len(asked.consumer.texts()) == 1
    assert asked.submit(asked.form()).status_code == 303
    assert asked.grants[0]["scope"]["purposes"] == [ORDERS]


def test_a_number_that_agreed_is_remembered_by_its_browser(small: Service) -> None:
    asked = Asked(small)
    assert not asked.consumer.browser.get_cookie("proof")
    asked.submit(asked.form())
    assert asked.consumer.browser.get_cookie("proof")


def test_a_code_that_came_too_late_leads_on_with_what_was_ticked(small: Service) -> None:
    asked = Asked(small)
    form = asked.form()
    small.clock.advance(timedelta(minutes=6))
    assert asked.submit(form).status_code == 303
    shown = asked.consumer.get(asked.path).text
    assert 'href="?again=1"' in shown
    assert ticked(asked.consumer.get(f"{asked.path}?again=1").text) == [PROMOTIONS]


def test_a_form_whose_session_is_gone_says_so_and_keeps_what_was_chosen(small: Service) -> None:
    asked = Asked(small, max_messages=2)
    shown = asked.consumer.get(asked.path).text
    form = {name: found(pattern, shown) for name, pattern in (("csrf", CSRF), ("notice", NOTICE))}
    hidden = re.findall(r'type="hidden" name="([^"]+)" value="([^"]+)"', shown)
    asked.consumer.browser.delete_cookie("session")
    answer = asked.consumer.browser.post(
        asked.path,
        data={**dict(hidden), **form, "code": "123456", "decision": "grant"},
        headers=OWN_FORM,
    )
    assert answer.status_code == 403
    assert "会话已过期" in answer.text
    assert ticked(answer.text) == [PROMOTIONS]
    assert '<option value="2" selected>' in answer.text
    assert asked.status == "pending"


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
def test_a_form_of_another_site_ticks_nothing(small: Service, site: str | None) -> None:
    path = small.merchant().ask(PROMOTIONS, **ALWAYS)["path"]
    answer = small.app.test_client().post(
        path,
        data={"purposes": [PROMOTIONS], "decision": "grant"},
        headers={"Sec-Fetch-Site": site} if site else {},
    )
    assert answer.status_code == 403
    assert PROMOTIONS not in answer.text


def test_two_requests_in_two_tabs_do_not_confuse_each_other(small: Service) -> None:
    """The browser waits for the code of the newer one; the older one says that it has expired."""
    asked = Asked(small)
    form, other = asked.form(), asked.merchant.ask(ORDERS, **ALWAYS)["path"]
    asked.consumer.post(other, purposes=[ORDERS], phone=asked.consumer.number, decision="grant")
    answer = asked.submit(form)
    assert answer.status_code == 403
    assert "会话已过期" in answer.text
    assert asked.grants == []


def test_a_code_before_the_time_zone_is_chosen_leads_to_the_choice(small: Service) -> None:
    path = small.merchant().ask(PROMOTIONS, **{"from": "09:00", "to": "12:00"})["path"]
    consumer = small.consumer(RUSSIAN)
    consumer.post(path, purposes=[PROMOTIONS], phone=RUSSIAN, decision="grant")
    answer = consumer.post(path, code=consumer.code(), decision="grant")
    assert answer.status_code == 303
    assert "您在哪个时区" in consumer.get(path).text
