"""The consumer pages in a real headless Chromium, in three languages, at three widths.

With JavaScript, axe-core checks each page (WCAG 2.2 AA); without it, everything still works.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.number_scan import NUMBERS, WRITTEN
from tests.processes import Running, code_in, looks, service
from tests.service import ALWAYS, CODE

pytestmark = [pytest.mark.browser, pytest.mark.processes]

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
STATIC = Path(__file__).parents[2] / "consent_tokens" / "web" / "static"
HEIGHTS = {320: 640, 390: 844, 1280: 900}
LANGUAGES = ("zh-CN", "zh-TW", "en-GB")
# each language at each width; with and without JavaScript, light and dark, in turns
EVERY_WAY = [
    (width, language, (place + at) % 2 == 0, NUMBERS[3 * place + at])
    for place, language in enumerate(LANGUAGES)
    for at, width in enumerate(HEIGHTS)
]
# of the nine the suite takes three: each language, each width, with and without JavaScript;
# `make faults` takes all, with a picture of each page
IS_WHOLE = os.environ.get("BROWSER") == "all"
WAYS = EVERY_WAY if IS_WHOLE else [EVERY_WAY[at] for at in (0, 5, 7)]
MOST_BYTES = 40_000  # of a page and its stylesheet
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
AXE_RUN = """async () => (await axe.run(document, {runOnly: [
    'wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})).violations.map(
    (each) => `${each.id}: ${each.nodes.map((node) => node.html).join(' | ')}`)"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("browser")
    WRITTEN.append(folder)
    with service(folder) as started:
        yield started


Way = tuple[int, str, bool, str]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{way[1]}-{'js' if way[2] else 'bare'}")
def way(request: pytest.FixtureRequest) -> Way:
    """Width, language, whether there is JavaScript, and a phone number."""
    found: Way = request.param
    return found


@pytest.fixture
def context(browser: Browser, way: Way) -> Iterator[BrowserContext]:
    width, locale, has_script, _ = way
    made = browser.new_context(
        viewport={"width": width, "height": HEIGHTS[width]},
        locale=locale,
        java_script_enabled=has_script,
        color_scheme="dark" if width == 390 else "light",
    )
    yield made
    made.close()


class Camera:
    """Looks for what no page may have; with BROWSER=all it takes the picture of each page."""

    def __init__(self, context: BrowserContext, page: Page, *, has_axe: bool = False) -> None:
        self.page = page
        self.has_axe = has_axe
        self.width = page.viewport_size["width"] if page.viewport_size else 0
        self.faults: list[str] = []
        self.sheet = len((STATIC / "design.css").read_bytes())
        context.on("console", lambda message: self.on_console(message.text))

    def on_console(self, text: str) -> None:
        """Remember what the browser complains of, but for what was answered with a no."""
        if not re.search(r"status of 4\d\d", text):
            self.faults.append(text)

    def take(self, name: str) -> None:
        self.page.wait_for_load_state()  # a page is there before its stylesheet is
        if IS_WHOLE:
            SCREENSHOTS.mkdir(exist_ok=True)
            language = self.page.locator("html").get_attribute("lang")
            path = SCREENSHOTS / f"{name}-{language}-{self.width}.png"
            self.page.screenshot(path=path, full_page=True)
        self.is_no_wider_than_the_screen(name)
        self.page.evaluate("document.documentElement.style.fontSize = '200%'")
        self.is_no_wider_than_the_screen(f"{name} with text at 200 %")
        self.page.evaluate("document.documentElement.style.fontSize = ''")
        small = [
            box
            for button in self.page.locator("button:visible, .button:visible").all()
            if (box := button.bounding_box()) and box["height"] < 44
        ]
        assert not small, f"{name} has a button too small for a thumb"
        size = len(self.page.content().encode()) + self.sheet
        assert size < MOST_BYTES, f"{name} is {size} bytes with its stylesheet"
        if self.has_axe:
            self.page.evaluate(AXE.read_text())
            assert self.page.evaluate(AXE_RUN) == [], name
        assert not self.faults, self.faults

    def is_no_wider_than_the_screen(self, name: str) -> None:
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.width, f"{name} is wider than the screen"


def phone_shows(context: BrowserContext, running: Running, number: str, words: str) -> str:
    """Look at the simulated phone until a text with these words is there."""
    page = context.new_page()
    try:
        for _ in looks():
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


def test_the_whole_story(context: BrowserContext, running: Running, way: Way) -> None:
    """Asked, agreed, written to, looked at, changed, reported and stopped."""
    _, _, has_script, number = way
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
    camera = Camera(context, page, has_axe=has_script)
    expect(page.locator("input[type=checkbox][name=purposes]:checked")).to_have_count(0)
    no, yes = (
        page.locator(f"button[name=decision][value={each}]") for each in ("decline", "grant")
    )
    looks = """(button) => {
        const style = getComputedStyle(button), box = button.getBoundingClientRect();
        return [Math.round(box.width), Math.round(box.height), style.color, style.fontSize,
                style.fontWeight, style.backgroundColor, style.borderColor].join()}"""
    assert no.evaluate(looks) == yes.evaluate(looks), "no is as easy to see as yes"
    camera.take("01-question")

    yes.click()
    expect(page.locator(".fault").first).to_be_visible()
    camera.take("02-nothing-ticked")

    page.check("input[value='marketing.promotions']")
    page.locator("details summary").first.click()
    page.select_option("#most", "2")
    camera.take("03-less")
    page.fill("input[name=phone]", number)
    page.click("button[value=grant]")
    assert "2" in page.locator("#notice").inner_text()
    camera.take("04-confirmation")

    code = code_in(phone_shows(context, running, number, "5 "))
    page.fill("input[name=code]", f"{(int(code) + 1) % 1_000_000:06}")
    page.click("button[value=grant]")
    expect(page.locator(".fault")).to_be_visible()
    camera.take("05-wrong-code")

    page.fill("input[name=code]", code)
    page.click("button[value=grant]")
    expect(page.locator("a[href='https://shop.example/back']")).to_be_visible()
    camera.take("06-agreed")
    page.locator("main a[href*='/receipts/']").click()
    page.locator("details summary").click()
    camera.take("07-receipt")

    token = merchant.post(f"/v1/consent-requests/{asked['id']}/token", json={}).json()["token"]
    draft = {"token": token, "purpose": "marketing.promotions", "text": "满 200 减 50，今晚八点"}
    assert merchant.post("/v1/messages", json=draft).status_code == 202
    refused = merchant.post("/v1/messages", json=draft | {"purpose": "marketing.surveys"}).json()
    assert refused["code"] == "purpose_not_granted"
    text = phone_shows(context, running, number, "满 200")
    link = re.search(r"http\S+/m/\S+", text)
    assert link

    page.goto(f"{running.base}/my")
    camera.take("08-login")
    page.fill("input[name=phone]", number)
    page.click("main button")
    camera.take("09-login-code")
    page.fill("input[name=code]", another_code(context, running, number, code))
    page.locator("main button").first.click()
    expect(page.locator("button[name=action][value=revoke]")).to_have_count(1)
    camera.take("10-my")
    page.click("article h2 a")
    page.locator("details summary").last.click()
    camera.take("11-consent")
    for box in page.locator("input[name=purposes]").all():
        box.uncheck()
    page.click("button[value=narrow]")
    expect(page.locator("#less-fault")).to_be_visible()
    camera.take("12-nothing-left")
    page.goto(f"{running.base}/my/wishes")
    camera.take("13-wishes")
    page.fill("#a_week", "5")
    page.click("button[value=limits]")
    expect(page.locator("[role=status]")).to_be_visible()
    page.fill("#until", "2000-01-01")
    page.evaluate("document.querySelector('#until').removeAttribute('min')")
    page.locator("button[value=calm]").last.click()
    expect(page.locator("#until-fault")).to_be_visible()
    camera.take("14-wishes-fault")
    page.goto(f"{running.base}/my")
    page.click("button[value=calm]")
    camera.take("15-calm")
    page.goto(f"{running.base}/my/all")
    camera.take("16-all")

    page.goto(link[0])
    camera.take("17-message")
    page.click("button[value=pause]")
    camera.take("18-paused")
    page.click("button[value=report]")
    camera.take("19-why")
    page.click("button[value=too_often]")
    page.locator("details summary").click()
    camera.take("20-reported")
    page.goto(link[0])
    page.click("button[name=action][value=revoke]")
    expect(page.locator("[role=status]")).to_be_visible()
    camera.take("21-stopped")
    assert merchant.post("/v1/messages", json=draft).json()["code"] == "consent_revoked"

    page.goto(f"{running.base}/my")
    expect(page.locator("button[name=action][value=revoke]")).to_have_count(0)
    camera.take("22-my-after")
    page.goto(f"{running.base}/c/AAAAAAAAAAAAAAAAAAAAAA")
    camera.take("23-nowhere")


def another_code(context: BrowserContext, running: Running, number: str, before: str) -> str:
    code = before
    while code == before:
        code = code_in(phone_shows(context, running, number, "5 "))
    return code


def test_reporting_a_pasted_text_and_a_no(
    context: BrowserContext, running: Running, way: Way
) -> None:
    has_script = way[2]
    others = NUMBERS[len(EVERY_WAY) : -1]  # another number, so that its code need not be waited for
    number = others[WAYS.index(way) % len(others)]
    page = context.new_page()
    camera = Camera(context, page, has_axe=has_script)
    merchant = running.merchant("晨光书店")
    asked = merchant.post("/v1/consent-requests", json={"purposes": ["orders.updates"]}).json()
    page.goto(asked["consent_url"])
    page.click("button[value=decline]")
    camera.take("30-declined")
    state = merchant.get(f"/v1/consent-requests/{asked['id']}").json()["status"]
    assert state == "declined"

    page.goto(f"{running.base}/report")
    camera.take("31-report")
    page.fill("input[name=phone]", number)
    before = len(codes_at(context, running, number))
    page.click("main button")
    camera.take("32-report-text")
    page.click("main button")
    expect(page.locator(".fault").nth(2)).to_be_visible()
    camera.take("33-report-faults")
    while len(codes := codes_at(context, running, number)) <= before:
        pass
    page.fill("#sender", "10086")
    page.fill("#text", "恭喜您中奖了")
    page.check("input[value=fraud]")
    page.fill("#code", codes[-1])
    page.click("main button")
    camera.take("34-verdict")
    expect(page.locator("dd b").first).to_be_visible()
    page.context.clear_cookies()
    page.goto(f"{running.base}/reports")
    camera.take("35-follow")


def codes_at(context: BrowserContext, running: Running, number: str) -> list[str]:
    """Return the codes on a simulated phone, the oldest first."""
    page = context.new_page()
    try:
        page.goto(f"{running.base}/demo/phones")
        article = page.locator("article", has_text=number)
        texts = article.locator(".bubble:not(.mine)").all_inner_texts() if article.count() else []
        return [match[1] for text in texts if (match := CODE.search(text))]
    finally:
        page.close()


def test_the_demo_pages_tell_the_story(context: BrowserContext, running: Running, way: Way) -> None:
    page = context.new_page()
    page.goto(running.base)
    camera = Camera(context, page, has_axe=way[2])
    camera.take("40-start")
    page.click("a[href='/demo']")
    page.click("button[value=ask]")
    page.locator("img.qr").wait_for(state="visible")
    camera.take("41-demo")
    page.goto(f"{running.base}/demo/shop")
    camera.take("42-shop")
    page.goto(f"{running.base}/docs")
    expect(page.locator("dt#consent_revoked")).to_be_visible()


def test_the_demonstration_follows_the_customer_by_itself(
    browser: Browser, running: Running
) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(f"{running.base}/demo")
    page.click("button[value=ask]")
    with context.expect_page() as opened:
        page.locator("#next a").click()
    question = opened.value
    question.click("button[value=decline]")
    question.close()
    page.bring_to_front()
    page.locator("#next", has_text="The customer said no").wait_for()
    context.close()


def test_with_the_keyboard_alone(browser: Browser, running: Running) -> None:
    """Every control is reached by Tab, in the order of reading, and shows where one is."""
    merchant = running.merchant("晨光书店")
    asked = merchant.post("/v1/consent-requests", json={"purposes": ["orders.updates"]}).json()
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(asked["consent_url"])

    def tab_to(selector: str) -> None:
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.locator(f"{selector}:focus-visible").count():
                width = "(it) => getComputedStyle(it).outlineWidth"
                assert page.locator(selector).evaluate(width) == "3px", "it shows where one is"
                return
        pytest.fail(f"{selector} cannot be reached")

    tab_to("input[name=purposes]")
    page.keyboard.press("Space")
    tab_to("input[name=phone]")
    page.keyboard.type(NUMBERS[-1])
    page.keyboard.press("Enter")
    page.locator("input[name=code]").wait_for()
    page.get_by_role("link", name="Change number").click()
    expect(page.locator("input[name=purposes]:checked"), "Enter is no refusal").to_have_count(1)
    tab_to("input[name=phone]")
    tab_to("button[value=decline]")
    tab_to("button[value=grant]")
    context.close()


def test_screen_readers_are_told_what_is_what(browser: Browser, running: Running) -> None:
    merchant = running.merchant("晨光书店")
    asked = merchant.post("/v1/consent-requests", json={"purposes": ["orders.updates"]}).json()
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(asked["consent_url"])
    assert page.get_by_role("heading", level=1).inner_text().startswith("晨光书店 would like")
    expect(page.get_by_role("group", name="Choose what you want to get")).to_have_count(1)
    expect(page.get_by_role("checkbox", name="Your orders")).to_have_count(1)
    expect(page.get_by_role("textbox", name="Your mobile number")).to_have_count(1)
    expect(page.get_by_role("button", name="No, thanks", exact=True)).to_have_count(1)
    expect(page.get_by_role("button", name="Yes, send a code", exact=True)).to_have_count(1)
    context.close()
