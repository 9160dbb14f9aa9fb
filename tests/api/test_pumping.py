"""SMS pumping is stopped before the bill (T9): by number range, proof of work, and waiting."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from html import unescape

import pytest
from playwright.sync_api import Browser

from consent_tokens.services import pumping_protection
from tests.number_scan import NUMBERS
from tests.service import Service, otp_policy

LIMITED = otp_policy("number=5/hour;client_ip=100000/hour;total=2000/hour")
DATA = re.compile(r'data-(\w+)="([^"]*)"')
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@pytest.fixture
def wide(small: Service) -> Service:
    return small.with_context(otp=LIMITED)


def sent(service: Service) -> int:
    service.work()
    return sum(len(texts) for _, texts in service.simulator.phones())


def request_codes(service: Service, count: int, first: str = NUMBERS[0][:-4]) -> Iterator[int]:
    """Ask for a code for each of so many neighbours, each from a browser of its own."""
    for place in range(count):
        consumer = service.consumer(f"{first}{place:04}")
        yield consumer.post("/my", phone=consumer.number).status_code


@pytest.mark.slow
def test_of_two_thousand_requests_in_one_range_few_leave(wide: Service) -> None:
    answers = list(request_codes(wide, 150))
    assert set(answers) == {303}, "the page is the same, whether a code leaves or not"
    assert sent(wide) <= 30
    other = wide.consumer(NUMBERS[1])
    other.post("/my", phone=other.number)
    assert other.code(), "another range is not touched"
    wide.clock.advance(timedelta(hours=1, minutes=1))
    list(request_codes(wide, 1))
    assert sent(wide) == 32


def test_who_proves_the_number_is_not_counted(wide: Service) -> None:
    for place in range(60):
        consumer = wide.consumer(f"{NUMBERS[2][:-4]}{place:04}")
        consumer.log_in()
        assert 'value="leave"' in consumer.get("/my").text


def test_only_the_regions_that_were_set_get_codes(small: Service) -> None:
    only = small.with_context(otp=replace(LIMITED, countries=frozenset({"CN"})))
    for number, status, count in ((NUMBERS[8], 422, 0), (NUMBERS[0], 303, 1)):
        consumer = only.consumer(number)
        assert consumer.post("/my", phone=number).status_code == status
        only.work()
        assert len(consumer.texts()) == count


def attack(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a service see more unverified requests than its budget allows."""
    monkeypatch.setattr(pumping_protection, "MIN_UNVERIFIED_BUDGET", 10)
    monkeypatch.setattr(pumping_protection, "UNVERIFIED_DIVISOR", 1000)
    list(request_codes(service, 11))


@pytest.fixture
def under_attack(wide: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    attack(wide, monkeypatch)
    return wide


def solved(page: str) -> str:
    """Do the work as the script does."""
    data = {name: unescape(value) for name, value in DATA.findall(page)}
    for number in range(int(data["most"]) + 1):
        if sha256(f"{data['salt']}{number}".encode()).hexdigest() == data["challenge"]:
            solution = {
                "algorithm": "SHA-256", "challenge": data["challenge"], "number": number,
                "salt": data["salt"], "signature": data["signature"],
            }  # fmt: skip
            return base64.b64encode(json.dumps(solution).encode()).decode()
    raise AssertionError("there is no solution")


def test_work_lets_in_once(under_attack: Service) -> None:
    consumer = under_attack.consumer(NUMBERS[1])
    page = consumer.post("/my", phone=consumer.number)
    assert page.status_code == 429
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    before = sent(under_attack)
    fields = dict(HIDDEN.findall(page.text))
    assert fields["phone"] == consumer.number
    work = solved(page.text)
    form = {**fields, "ticket": "", "work": work}
    assert consumer.browser.post("/my", data=form).status_code == 303
    assert sent(under_attack) == before + 1
    assert consumer.browser.post("/my", data=form).status_code == 429, "work counts once"
    for forged in ("", "x", work[:-4], base64.b64encode(b"[]").decode(), "A" * 5000):
        assert consumer.browser.post("/my", data={**form, "work": forged}).status_code == 429
    assert sent(under_attack) == before + 1


def test_waiting_lets_in_without_script(under_attack: Service) -> None:
    consumer = under_attack.consumer(NUMBERS[1])
    page = consumer.post("/my", phone=consumer.number).text
    form = dict(HIDDEN.findall(page))
    assert consumer.browser.post("/my", data=form).status_code == 429, "not at once"
    under_attack.clock.advance(timedelta(seconds=60))
    assert consumer.browser.post("/my", data=form).status_code == 303
    assert consumer.browser.post("/my", data=form).status_code == 429, "a ticket counts once"


@pytest.mark.browser
def test_the_script_does_the_work_in_a_real_browser(
    served: Service, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack(served, monkeypatch)
    with browser.new_context(locale="en-GB") as context:
        page = context.new_page()
        page.goto(f"{served.base}/my")
        page.fill("input[name=phone]", NUMBERS[1])
        with page.expect_request(lambda each: "work=" in (each.post_data or "")) as handed_in:
            page.click("main button")
        page.locator("input[name=code]").wait_for(timeout=60_000)
    fields = dict(pair.split("=", 1) for pair in str(handed_in.value.post_data).split("&"))
    assert fields["work"]
    assert "ticket" not in fields
