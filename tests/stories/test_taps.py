"""How many taps a consumer needs, in a real browser without script (promises 11 and 12)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.number_scan import NUMBERS, WRITTEN
from tests.processes import Running, service
from tests.service import ALWAYS
from tests.stories.test_in_a_browser import QUIET, codes_at, phone_shows

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("taps")
    WRITTEN.append(folder)
    with service(folder) as started:
        yield started


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield launched
        launched.close()


@dataclass
class Consumer:
    """A person with a small phone, whose taps are counted; what is typed is none."""

    page: Page
    running: Running
    number: str
    taps: int = 0
    codes: list[str] = field(default_factory=list)

    def opens(self, link: str) -> None:
        """Tap a link that somebody sent."""
        self.taps += 1
        self.page.goto(link)

    def tap(self, selector: str) -> None:
        self.taps += 1
        self.page.locator(selector).first.click()

    def types(self, selector: str, text: str) -> None:
        self.page.fill(selector, text)

    def new_code(self) -> str:
        for _ in range(200):
            codes = codes_at(self.page.context, self.running, self.number)
            if codes != self.codes:
                self.codes = codes
                return codes[-1]
        pytest.fail("no new code arrived")

    def text_with(self, words: str) -> str:
        return phone_shows(self.page.context, self.running, self.number, words)

    def signs_in(self) -> None:
        self.page.goto(f"{self.running.base}/my")
        self.page.fill("input[name=phone]", self.number)
        self.page.locator("main button").first.click()
        self.page.fill("input[name=code]", self.new_code())
        self.page.locator("main button").first.click()
        self.taps = 0


@dataclass
class Shop:
    """A merchant, and what it has of a consumer."""

    running: Running
    name: str

    def __post_init__(self) -> None:
        self.api = self.running.merchant(self.name)

    def asks(self) -> dict[str, str]:
        wanted = {"purposes": ["marketing.promotions"], **ALWAYS}
        asked: dict[str, str] = self.api.post("/v1/consent-requests", json=wanted).json()
        return asked

    def texts(self, asked: dict[str, str], text: str) -> None:
        path = f"/v1/consent-requests/{asked['id']}/token"
        token = self.api.post(path, json={}).json()["token"]
        draft = {"token": token, "purpose": "marketing.promotions", "text": text}
        assert self.api.post("/v1/messages", json=draft).status_code == 202


@pytest.fixture
def consumer(
    browser: Browser, running: Running, request: pytest.FixtureRequest
) -> Iterator[Consumer]:
    context = browser.new_context(
        viewport={"width": 320, "height": 640}, locale="en-GB", java_script_enabled=False
    )
    place = sorted(NAMES).index(request.node.originalname)
    yield Consumer(context.new_page(), running, NUMBERS[place])
    context.close()


NAMES = {
    "test_to_agree_takes_three",
    "test_to_stop_from_a_text_takes_two",
    "test_to_stop_a_shop_under_my_consents_takes_one",
    "test_to_report_from_a_text_takes_three",
    "test_a_quiet_double_11_takes_one_all_year_round",
}


def agrees(consumer: Consumer, asked: dict[str, str]) -> None:
    consumer.page.goto(asked["consent_url"])
    consumer.tap("input[name=purposes]")
    consumer.types("input[name=phone]", consumer.number)
    consumer.tap("button[name=decision][value=grant]")
    consumer.types("input[name=code]", consumer.new_code())
    consumer.tap("button[name=decision][value=grant]")


def link_in(text: str) -> str:
    match = re.search(r"http\S+/m/[A-Za-z0-9_-]+", text)
    assert match, text
    return match[0]


def test_to_agree_takes_three(consumer: Consumer, running: Running) -> None:
    asked = Shop(running, "Dawn Books").asks()
    agrees(consumer, asked)
    assert consumer.taps == 3
    assert consumer.page.locator("a[href*='/receipts/']").count() >= 1


def test_to_stop_from_a_text_takes_two(consumer: Consumer, running: Running) -> None:
    shop = Shop(running, "Dawn Books")
    asked = shop.asks()
    agrees(consumer, asked)
    shop.texts(asked, "to stop from a text")
    link = link_in(consumer.text_with("to stop from a text"))
    consumer.taps = 0
    consumer.opens(link)
    consumer.tap("button[name=action][value=revoke]")
    assert consumer.taps == 2
    assert [each["status"] for each in shop.api.get("/v1/grants").json()["items"]] == ["revoked"]


def test_to_stop_a_shop_under_my_consents_takes_one(consumer: Consumer, running: Running) -> None:
    shop = Shop(running, "Hill Tea")
    agrees(consumer, shop.asks())
    consumer.signs_in()
    consumer.tap("button[name=action][value=revoke]")
    assert consumer.taps == 1
    assert [each["status"] for each in shop.api.get("/v1/grants").json()["items"]] == ["revoked"]


def test_to_report_from_a_text_takes_three(consumer: Consumer, running: Running) -> None:
    shop = Shop(running, "Dawn Books")
    asked = shop.asks()
    agrees(consumer, asked)
    shop.texts(asked, "to report a text")
    link = link_in(consumer.text_with("to report a text"))
    consumer.taps = 0
    consumer.opens(link)
    consumer.tap("button[name=action][value=report]")
    consumer.tap("button[name=reason]")
    assert consumer.taps == 3
    listed = running.command("complaint", "list")
    assert len(listed) == 1


def test_a_quiet_double_11_takes_one_all_year_round(consumer: Consumer, running: Running) -> None:
    agrees(consumer, Shop(running, "Dawn Books").asks())
    consumer.signs_in()
    consumer.tap("form:has(input[name=season][value=double11]) button[name=action][value=calm]")
    assert consumer.taps == 1
    assert consumer.page.locator("[role=status]").count() == 1
