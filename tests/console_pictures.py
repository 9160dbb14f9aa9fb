"""Take the pictures of the guides to the consoles: `python -m tests.console_pictures`.

They are of a service that tests fill, at the clock of the tests.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from tests.browsers import service_over_http
from tests.console_people import ConsoleUser
from tests.consoles.filled import fill, walk
from tests.consoles.test_every_page import sign_browser_in
from tests.readme_pictures import BROWSERS, IMAGES, save

SIZE: Final = {"width": 1100, "height": 700}
LANGUAGES: Final = (("", "en-GB"), (".zh", "zh-CN"))
# name of the picture, and the address of its page
PICTURES: Final = (
    ("console-overview", "/console"),
    ("console-reviews", "/console/reviews"),
    ("console-template", r"/console/templates/tpl_\w+"),
    ("console-complaint", r"/console/complaints/cmp_[\w-]+"),
    ("console-message", r"/console/messages/msg_[\w-]+"),
    ("console-merchant", r"/console/merchants/mer_\w+"),
    ("console-gateways", "/console/gateways"),
    ("console-keys", "/console/keys"),
    ("merchant-overview", "/merchant"),
    ("merchant-request", r"/merchant/requests/req_[\w-]+"),
    ("merchant-templates", "/merchant/templates"),
    ("merchant-campaign", r"/merchant/campaigns/\w+"),
)


def take_pictures() -> None:
    """Fill a service, and take each picture in each language."""
    executable = next(path for name in BROWSERS if (path := shutil.which(name)))
    with (
        tempfile.TemporaryDirectory() as folder,
        service_over_http(Path(folder)) as service,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for user in fill(service):
            paths = list(walk(user))
            for name, pattern in PICTURES:
                path = next((each for each in paths if re.fullmatch(pattern, each)), None)
                if path is not None:
                    picture_of(browser, user, path, name)
        browser.close()


def picture_of(browser: Browser, user: ConsoleUser, path: str, name: str) -> None:
    """Take the picture of a page in each language: what the first screen of it shows."""
    for suffix, language in LANGUAGES:
        context = browser.new_context(
            viewport=SIZE,  # type: ignore[arg-type]  # a TypedDict of playwright's
            locale=language,
            color_scheme="light",
        )
        sign_browser_in(user, context)
        page = context.new_page()
        page.goto(f"{user.service.base}{path}")
        save(page.screenshot(), IMAGES / f"{name}{suffix}.png")
        context.close()


if __name__ == "__main__":
    os.environ.pop("CONSENT_DATABASE_URL", None)
    take_pictures()
