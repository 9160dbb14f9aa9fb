"""Take the pictures of the demonstration for the README: `python -m tests.readme_pictures`."""

import os
import re
import shutil
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.number_scan import NUMBERS
from tests.processes import service

IMAGES = Path(__file__).parents[1] / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = {"width": 1000, "height": 640}
COLOURS = 64  # of a picture: it stays small, and a page has few
WAYS = (
    ("demo.png", "en-GB", "light"),
    ("demo-dark.png", "en-GB", "dark"),
    ("demo.zh.png", "zh-CN", "light"),
    ("demo-dark.zh.png", "zh-CN", "dark"),
)


def take_pictures() -> None:
    """Play the demonstration in each language, light and dark, on a service of its own."""
    executable = next(path for name in BROWSERS if (path := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for name, language, scheme in WAYS:
            with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as running:
                save(picture_of(browser, running.base, language, scheme), IMAGES / name)
        browser.close()


def picture_of(browser: Browser, base: str, language: str, scheme: str) -> bytes:
    """Return the page after the customer has agreed, got an offer, and stopped the shop."""
    context = browser.new_context(
        viewport=SIZE,  # type: ignore[arg-type]  # a TypedDict of playwright's
        locale=language,
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    page.goto(f"{base}/demo")
    page.click("button[value=ask]")
    agree(page)
    page.click("button[value=send]")
    wait_for(page, "#phone", "/m/")
    page.click("#phone button")
    wait_for(page, "#next", "5")
    page.click("button[value=send]")
    picture = page.screenshot(full_page=True)
    context.close()
    return picture


def agree(page: Page) -> None:
    """Answer the question in a tab of its own, with the code from the phone."""
    with page.context.expect_page() as opened:
        page.locator("#next a").click()
    question = opened.value
    question.check("input[value='marketing.promotions']")
    question.fill("input[name=phone]", NUMBERS[0])
    question.click("button[value=grant]")
    wait_for(page, "#phone", NUMBERS[0])
    code = re.findall(r"\b\d{6}\b", page.locator("#phone .bubble").last.inner_text())[0]
    question.fill("input[name=code]", code)
    question.click("button[value=grant]")
    question.locator("a[href*='/receipts/']").first.wait_for()
    question.close()
    wait_for(page, "#next", "3")


def wait_for(page: Page, selector: str, words: str) -> None:
    """Wait until a part of the page, which refreshes itself, shows these words."""
    page.bring_to_front()
    page.locator(selector, has_text=words).wait_for()


def save(picture: bytes, path: Path) -> None:
    """Write a picture with few colours."""
    with Image.open(BytesIO(picture)) as opened:
        opened.convert("RGB").quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    os.environ.pop("CONSENT_DATABASE_URL", None)
    take_pictures()
