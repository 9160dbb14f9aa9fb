"""How many taps a consumer needs, in a real browser without script (promises 11 and 12)."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.number_scan import NUMBERS
from tests.service import ALWAYS, CODE, LINK, Merchant, Service, found

pytestmark = pytest.mark.browser

NUMBER = NUMBERS[0]


class Thumb:
    """Counts the taps of a person with a small phone; what is typed is none."""

    def __init__(self, page: Page, service: Service) -> None:
        self.page = page
        self.service = service
        self.taps = 0

    def opens(self, path: str) -> None:
        """Tap a link that somebody sent."""
        self.taps += 1
        self.page.goto(self.service.base + path)

    def tap(self, selector: str) -> None:
        self.taps += 1
        self.page.locator(selector).first.click()

    def newest(self) -> str:
        """Return the text that arrived last."""
        self.service.work()
        return self.service.texts(NUMBER)[-1]

    def types_the_code(self) -> None:
        self.page.fill("input[name=code]", found(CODE, self.newest()))

    def agrees(self, merchant: Merchant) -> str:
        """Agree to offers; return the merchant's token."""
        asked = merchant.ask(**ALWAYS)
        self.page.goto(asked["consent_url"])
        self.tap("input[name=purposes]")
        self.page.fill("input[name=phone]", NUMBER)
        self.tap("button[name=decision][value=grant]")
        self.types_the_code()
        self.tap("button[name=decision][value=grant]")
        return merchant.token(asked)

    def signs_in(self) -> None:
        self.page.goto(f"{self.service.base}/my")
        self.page.fill("input[name=phone]", NUMBER)
        self.page.locator("main button").first.click()
        self.types_the_code()
        self.page.locator("main button").first.click()
        self.taps = 0

    def gets_a_text(self, merchant: Merchant) -> str:
        """Agree, and get an offer; return the path of its link."""
        token = self.agrees(merchant)
        assert merchant.send(token).status_code == 202
        self.taps = 0
        return f"/m/{found(LINK, self.newest())}"


@pytest.fixture
def thumb(browser: Browser, served: Service) -> Iterator[Thumb]:
    with browser.new_context(
        viewport={"width": 320, "height": 640}, locale="en-GB", java_script_enabled=False
    ) as context:
        yield Thumb(context.new_page(), served)


def statuses(merchant: Merchant) -> list[str]:
    return [each["status"] for each in merchant.get("/v1/grants").json["items"]]


def test_to_agree_takes_three(thumb: Thumb) -> None:
    thumb.agrees(thumb.service.merchant())
    assert thumb.taps == 3
    expect(thumb.page.locator("a[href*='/receipts/']").first).to_be_visible()


def test_to_stop_from_a_text_takes_two(thumb: Thumb) -> None:
    merchant = thumb.service.merchant()
    thumb.opens(thumb.gets_a_text(merchant))
    thumb.tap("button[name=action][value=revoke]")
    assert thumb.taps == 2
    assert statuses(merchant) == ["revoked"]


def test_to_stop_a_shop_under_my_consents_takes_one(thumb: Thumb) -> None:
    merchant = thumb.service.merchant()
    thumb.agrees(merchant)
    thumb.signs_in()
    thumb.tap("button[name=action][value=revoke]")
    assert thumb.taps == 1
    assert statuses(merchant) == ["revoked"]


def test_to_report_from_a_text_takes_three(thumb: Thumb) -> None:
    merchant = thumb.service.merchant()
    thumb.opens(thumb.gets_a_text(merchant))
    thumb.tap("button[name=action][value=report]")
    thumb.tap("button[name=reason]")
    assert thumb.taps == 3
    thumb.service.clock.advance(timedelta(days=1))
    assert [each["count"] for each in merchant.get("/v1/complaints").json["items"]] == [1]


def test_a_quiet_double_11_takes_one_all_year_round(thumb: Thumb) -> None:
    thumb.agrees(thumb.service.merchant())
    thumb.signs_in()
    thumb.tap("form:has(input[name=season][value=double11]) button[name=action][value=calm]")
    assert thumb.taps == 1
    expect(thumb.page.locator("[role=status]")).to_have_count(1)
