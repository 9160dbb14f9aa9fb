"""The consoles in a real Chromium: join, add a passkey, sign in with it, and look at each page."""

from datetime import timedelta
from typing import Final

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from consent_tokens.services.people import team
from tests.console_people import PASSWORD
from tests.service import ADMIN, Service

NARROW: Final[ViewportSize] = {"width": 390, "height": 844}
WIDE: Final[ViewportSize] = {"width": 1280, "height": 900}
PAGES: Final = ("", "/people", "/account", "/account/authenticator")


def assert_accessible(page: Page) -> None:
    violations = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in violations] == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), page.url


def add_authenticator(page: Page) -> None:
    """Give the browser a virtual authenticator that verifies its user (WebAuthn Level 3, 11)."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
                "hasUserVerification": True, "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )  # fmt: skip


def join(service: Service, page: Page, base: str) -> None:
    _person, link = team.add_operator(service.runtime, ADMIN, "Ann", "admin")
    page.goto(base + link.removeprefix(service.base))
    assert_accessible(page)
    secret = page.locator("code").inner_text()
    page.get_by_label("Password").fill(PASSWORD)
    code = pyotp.TOTP(secret).at(int(service.clock.now().timestamp()))
    page.get_by_label("Six-digit code of the app").fill(code)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="I have saved them").click()


@pytest.mark.browser
def test_somebody_joins_adds_a_passkey_and_signs_in_with_it(
    served: Service, browser: Browser
) -> None:
    context = browser.new_context(viewport=NARROW, locale="en-GB", color_scheme="dark")
    page, base = context.new_page(), served.base
    add_authenticator(page)
    join(served, page, base)
    for path in PAGES:
        page.goto(f"{base}/console{path}")
        assert_accessible(page)
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")
    page.goto(f"{base}/console/account/passkeys/new")
    page.get_by_label("Name, such as the device").fill("This laptop")
    page.get_by_role("button", name="Create the passkey").click()
    expect(page.get_by_role("status")).to_contain_text("The passkey was added.")
    assert_accessible(page)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    served.clock.advance(timedelta(minutes=6))
    page.goto(f"{base}/console/people")
    page.get_by_label("Name").fill("Bo")
    page.get_by_role("button", name="Invite").click()
    assert_accessible(page)
    page.get_by_role("button", name="Confirm with a passkey").click()
    expect(page.locator("main code")).to_contain_text("/console/join/")
    context.close()
