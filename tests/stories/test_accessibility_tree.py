"""What a screen reader finds on each page: roles, names and states, in the order of reading.

The trees are kept in `tests/vectors`; with `RECORD=1` this test writes them anew, for whoever
changed a page to read the difference.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.number_scan import NUMBERS
from tests.service import ALWAYS, CODE, LINK, ORDERS, PROMOTIONS, Merchant, Service, found

pytestmark = pytest.mark.browser

RECORDED = Path(__file__).parents[1] / "vectors"
NUMBER = NUMBERS[0]
SHORTER = (  # without what is random on a page, and what is long
    (re.compile(r"\n *- /url: .*"), ""),
    (re.compile(r'\n *- option "[^"]*"$', re.MULTILINE), ""),
    (re.compile(r"\beyJ\S+"), "(JWS)"),
    (re.compile(r"\d{4} \d{4} \d{4} \d{4}"), "(report number)"),
    (re.compile(r"\b[A-Za-z0-9_-]{22}\b"), "(id)"),
)


@contextmanager
def trees_of(
    browser: Browser, locale: str
) -> Iterator[tuple[Page, Callable[..., None], dict[str, str]]]:
    """Yield a page, a function that records its tree under a name, and what was recorded."""
    recorded: dict[str, str] = {}
    with browser.new_context(locale=locale, java_script_enabled=False) as context:
        page = context.new_page()

        def record(name: str, part: str = "main") -> None:
            page.wait_for_load_state()  # a click waits for the next page to begin, not to end
            page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
            tree = page.locator(part).aria_snapshot()
            for pattern, instead in SHORTER:
                tree = pattern.sub(instead, tree)
            recorded[name] = tree

        yield page, record, recorded


def compare(recorded: dict[str, str], file: str) -> None:
    text = "\n".join(f"# {name}\n{tree}\n" for name, tree in recorded.items())
    path = RECORDED / file
    if os.environ.get("RECORD"):
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


def newest_text(service: Service) -> str:
    service.work()
    return service.texts(NUMBER)[-1]


def ask_for_code(page: Page, merchant: Merchant, record: Callable[..., None]) -> dict[str, str]:
    """Go from the question to the page for the code."""
    asked = merchant.ask(PROMOTIONS, ORDERS, **ALWAYS)
    page.goto(asked["consent_url"])
    record("question", "body")
    page.check(f"input[value='{PROMOTIONS}']")
    page.fill("input[name=phone]", NUMBER)
    page.click("button[value=grant]")
    record("code")
    return asked


def test_every_page_in_english(browser: Browser, served: Service) -> None:
    merchant = served.merchant("Dawn Books")
    with trees_of(browser, "en") as (page, record, recorded):
        asked = ask_for_code(page, merchant, record)
        page.fill("input[name=code]", found(CODE, newest_text(served)))
        page.click("button[value=grant]")
        record("decided")
        page.click("main a[href*='/receipts/']")
        record("receipt")
        assert merchant.send(merchant.token(asked), text="Half price").status_code == 202
        link = f"{served.base}/m/{found(LINK, newest_text(served))}"

        page.goto(f"{served.base}/my")
        record("sign in")
        page.fill("input[name=phone]", NUMBER)
        page.click("main button")
        page.fill("input[name=code]", found(CODE, newest_text(served)))
        page.click("main button >> nth=0")
        record("my consents")
        page.click("article h2 a")
        record("consent")
        page.goto(f"{served.base}/my/wishes")
        record("preferences")

        page.goto(link)
        record("message")
        page.click("button[value=report]")
        record("reasons of a report")
        page.click("button[value=too_often]")
        record("report")
        page.goto(link)
        page.click("button[value=revoke]")
        record("stopped")
        page.goto(f"{served.base}/c/AAAAAAAAAAAAAAAAAAAAAA")
        record("error")
    compare(recorded, "accessibility.en.yaml")


def test_two_pages_in_chinese(browser: Browser, served: Service) -> None:
    with trees_of(browser, "zh-CN") as (page, record, recorded):
        ask_for_code(page, served.merchant(), record)
    compare(recorded, "accessibility.zh-CN.yaml")
