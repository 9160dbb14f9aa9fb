"""Every page of both consoles, of a service in which each list has something."""

import os
import re

import pytest
from playwright.sync_api import Browser, BrowserContext

from consent_tokens.services.people.person import ROLES, Console
from tests.console_people import ConsoleUser, merchant_person, operator
from tests.consoles.filled import fill, walk
from tests.consoles.test_in_a_browser import NARROW, WIDE, assert_accessible
from tests.number_scan import found_in
from tests.service import Service

COOKIES = {"/console": "console", "/merchant": "merchant-console"}
HEADING = re.compile(r"<h1[^>]*>[^<]+")
# `make test-all` looks at the pages of an administrator and an owner in every way, and at those of
# the other roles in one; `make test` at those of the two, each in one of two ways
IS_WHOLE = os.environ.get("BROWSER") == "all"
WAYS = [(NARROW, "zh-CN", "dark", True), (WIDE, "en-GB", "light", True),
        (NARROW, "en-GB", "light", False), (WIDE, "zh-TW", "dark", True)]  # fmt: skip


def sign_browser_in(user: ConsoleUser, context: BrowserContext) -> None:
    """Sign a browser in as somebody who is signed in already."""
    cookie = user.browser.get_cookie(COOKIES[user.path])
    assert cookie
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": user.service.base}])


def test_no_page_of_a_console_shows_a_number_and_each_says_what_it_is(small: Service) -> None:
    for user in fill(small):
        pages = walk(user)
        assert len(pages) > 12, "the navigation leads to its pages"
        for path, html in pages.items():
            assert found_in(html.encode()) == [], path
            assert HEADING.search(html), path
            assert "<title>" in html, path


def colleagues(service: Service, users: tuple[ConsoleUser, ConsoleUser]) -> list[ConsoleUser]:
    """Return somebody of each other role of both consoles."""
    merchant_id = users[1].person.merchant_id or ""
    return [
        operator(service, role, f"{role} person")
        if console is Console.OPERATOR
        else merchant_person(service, merchant_id, role, f"{role}@shop.example")
        for console, roles in ROLES.items()
        for role in roles
        if role not in {each.person.role for each in users}
    ]


@pytest.mark.browser
def test_each_page_is_accessible_and_fits_the_screen(served: Service, browser: Browser) -> None:
    ways = WAYS if IS_WHOLE else WAYS[:2]
    users = fill(served)
    for user in [*users, *(colleagues(served, users) if IS_WHOLE else ())]:
        paths = sorted(walk(user))
        for place, (size, language, scheme, has_script) in enumerate(ways):
            context = browser.new_context(
                viewport=size,
                locale=language,
                color_scheme="dark" if scheme == "dark" else "light",
                java_script_enabled=has_script,
            )
            sign_browser_in(user, context)
            page = context.new_page()
            for path in paths if IS_WHOLE and user in users else paths[place :: len(ways)]:
                page.goto(f"{served.base}{path}")
                assert page.locator("h1").count() == 1, path
                if has_script:  # axe needs it
                    assert_accessible(page)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= size["width"], path
            context.close()
