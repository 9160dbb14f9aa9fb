"""The story in a real headless Chromium, without JavaScript, on a phone and on a desk."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.processes import Running, code_in, service
from tests.service import ALWAYS
from tests.written import NUMBERS, WRITTEN

pytestmark = [pytest.mark.browser, pytest.mark.processes]

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
WIDTHS = {390: 844, 1280: 900}
WAYS = [
    (390, "zh-CN", NUMBERS[0]), (390, "en-GB", NUMBERS[1]),
    (1280, "zh-CN", NUMBERS[2]), (1280, "en-GB", NUMBERS[3]),
]  # fmt: skip
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("browser")
    WRITTEN.append(folder)
    with service(folder) as started:
        yield started


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield launched
        launched.close()


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{way[1]}")
def way(request: pytest.FixtureRequest) -> tuple[int, str, str]:
    """Width, language and phone number."""
    found: tuple[int, str, str] = request.param
    return found


@pytest.fixture
def context(browser: Browser, way: tuple[int, str, str]) -> Iterator[BrowserContext]:
    width, locale, _ = way
    made = browser.new_context(
        viewport={"width": width, "height": WIDTHS[width]},
        locale=locale,
        java_script_enabled=False,
    )
    yield made
    made.close()


class Camera:
    """Takes the picture of each page, and looks for what no page may have."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.page = page
        self.width = page.viewport_size["width"] if page.viewport_size else 0
        self.faults: list[str] = []
        context.on("console", lambda message: self.hear(message.text))

    def hear(self, text: str) -> None:
        """Remember what the browser complains of, but for forms that were answered 422."""
        if "422" not in text:
            self.faults.append(text)

    def take(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        language = self.page.locator("html").get_attribute("lang")
        path = SCREENSHOTS / f"{name}-{language}-{self.width}.png"
        self.page.screenshot(path=path, full_page=True)
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.width, f"{name} is wider than the screen"
        small = [
            box
            for button in self.page.locator("button:visible").all()
            if (box := button.bounding_box()) and box["height"] < 44
        ]
        assert not small, f"{name} has a button too small for a thumb"
        assert not self.faults, self.faults


def phone_shows(context: BrowserContext, running: Running, number: str, words: str) -> str:
    """Look at the simulated phone until a text with these words is there."""
    page = context.new_page()
    try:
        for _ in range(200):
            page.goto(f"{running.base}/demo/phones")
            article = page.locator("article", has_text=number)
            texts = (
                article.locator(".bubble:not(.mine)").all_inner_texts() if article.count() else []
            )
            if found := [text for text in texts if words in text]:
                return found[-1]
        pytest.fail(f"no text with {words}")
    finally:
        page.close()


def test_the_whole_story(
    context: BrowserContext, running: Running, way: tuple[int, str, str]
) -> None:
    number = way[2]
    merchant = running.merchant("晨光书店")
    asked = merchant.post(
        "/v1/consent-requests",
        json={
            "purposes": ["marketing.promotions", "orders.updates"],
            "return_url": "https://shop.example/back",
            **ALWAYS,
        },
    ).json()
    page = context.new_page()
    page.goto(asked["consent_url"])
    camera = Camera(context, page)
    assert page.locator("input[type=checkbox][name=purposes]:checked").count() == 0
    no, yes = (
        page.locator(f"button[name=decision][value={each}]") for each in ("decline", "grant")
    )
    sizes = [
        box and (round(box["width"]), round(box["height"]))
        for box in (no.bounding_box(), yes.bounding_box())
    ]
    assert sizes[0] == sizes[1], "no is as large as yes"
    camera.take("1-question")

    yes.click()
    assert page.locator(".fault").is_visible()
    camera.take("2-nothing-ticked")

    page.check("input[value='marketing.promotions']")
    page.fill("input[name=phone]", number)
    page.click("button[value=grant]")
    camera.take("3-confirmation")

    code = code_in(phone_shows(context, running, number, "5 "))
    page.fill("input[name=code]", f"{(int(code) + 1) % 1_000_000:06}")
    page.click("button[value=grant]")
    assert page.locator(".fault").is_visible()
    camera.take("4-wrong-code")

    page.fill("input[name=code]", code)
    page.click("button[value=grant]")
    assert page.locator("a[href='https://shop.example/back']").is_visible()
    camera.take("5-agreed")

    token = merchant.post(f"/v1/consent-requests/{asked['id']}/token", json={}).json()["token"]
    draft = {"token": token, "purpose": "marketing.promotions", "text": "满 200 减 50，今晚八点"}
    assert merchant.post("/v1/messages", json=draft).status_code == 202
    text = phone_shows(context, running, number, "满 200")
    link = re.search(r"http\S+/m/\S+", text)
    assert link

    page.goto(f"{running.base}/my")
    camera.take("6-login")
    page.fill("input[name=phone]", number)
    page.click("main button")
    camera.take("7-login-code")
    before = code
    while code == before:
        code = code_in(phone_shows(context, running, number, "5 "))
    page.fill("input[name=code]", code)
    page.click("main button")
    assert page.locator("button[name=action][value=revoke]").count() == 1
    page.locator("details summary").first.click()
    camera.take("8-my")

    page.goto(link[0])
    camera.take("9-message")
    page.click("button[name=action][value=revoke]")
    assert page.locator("[role=status]").is_visible()
    camera.take("10-stopped")
    assert merchant.post("/v1/messages", json=draft).json()["code"] == "consent_revoked"

    page.goto(f"{running.base}/my")
    assert page.locator("button[name=action][value=revoke]").count() == 0
    camera.take("11-my-after")


def test_a_no_is_a_no(context: BrowserContext, running: Running) -> None:
    merchant = running.merchant("晨光书店")
    asked = merchant.post("/v1/consent-requests", json={"purposes": ["orders.updates"]}).json()
    page = context.new_page()
    page.goto(asked["consent_url"])
    camera = Camera(context, page)
    page.click("button[value=decline]")
    camera.take("12-declined")
    state = merchant.get(f"/v1/consent-requests/{asked['id']}").json()["status"]
    assert state == "declined"


def test_the_demo_pages_tell_the_story(context: BrowserContext, running: Running) -> None:
    page = context.new_page()
    page.goto(running.base)
    camera = Camera(context, page)
    camera.take("20-start")
    page.click("a[href='/demo/shop']")
    page.click("button[value=ask]")
    page.locator("img.qr").wait_for(state="visible")
    camera.take("21-shop")
    page.goto(f"{running.base}/docs")
    assert page.locator("dt#consent_revoked").is_visible()
