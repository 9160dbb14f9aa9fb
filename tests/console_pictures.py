"""Take the pictures of the guides to the consoles: `python -m tests.console_pictures`.

They are of a service that tests fill, at the clock of the tests. Figures of earlier days are made
up.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import insert

from consent_tokens.store.rollup_tables import daily_rollups
from consent_tokens.store.rollups import SubjectKind
from tests.browsers import service_over_http
from tests.console_people import ConsoleUser
from tests.consoles.filled import fill, walk
from tests.consoles.test_every_page import sign_browser_in
from tests.consoles.test_supervision import MESSAGE
from tests.readme_pictures import BROWSERS, IMAGES, save
from tests.service import PROMOTIONS, Service, found

DAYS: Final = 28
SIZE: Final = {"width": 1100, "height": 700}
LANGUAGES: Final = (("", "en-GB"), (".zh", "zh-CN"))
# name of the picture, and the address of its page
PICTURES: Final = (
    ("console-overview", r"/console\?days=28"),
    ("console-reviews", "/console/reviews"),
    ("console-template", r"/console/templates/tpl_\w+"),
    ("console-complaint", r"/console/complaints/cmp_[\w-]+"),
    ("console-message", r"/console/messages/msg_[\w-]+"),
    ("console-merchant", r"/console/merchants/mer_\w+"),
    ("console-gateways", "/console/gateways"),
    ("console-keys", "/console/keys"),
    ("merchant-overview", r"/merchant\?days=28"),
    ("merchant-request", r"/merchant/requests/req_[\w-]+"),
    ("merchant-templates", "/merchant/templates"),
    ("merchant-campaign", r"/merchant/campaigns/cam_\w+"),
)


def fill_days(service: Service, merchant_id: str) -> None:
    """Insert the counts of the four weeks before today: of the merchant, and of all together."""
    today = int(service.clock.now().timestamp()) // 86400
    rows = [
        {
            "subject_id": subject, "kind": kind, "day": today - ago, "purpose": PROMOTIONS,
            "accepted": sent + sent // 40, "refused": sent // 40, "sent": sent,
            "delivered": sent - sent // 50, "undelivered": sent // 50, "stops": sent // 300,
            "complaints": sent // 2000, "gained": 40 + 9 * (28 - ago), "lost": 3 * (ago % 7),
        }
        for ago in range(1, DAYS)
        for sent in [1500 + 70 * (DAYS - ago) - 400 * (ago % 7 == 3)]
        for subject, kind in (("", SubjectKind.ALL), (merchant_id, SubjectKind.MERCHANT))
    ]  # fmt: skip
    service.runtime.database.run(lambda at: at.execute(insert(daily_rollups), rows))


def take_pictures() -> None:
    """Fill a service, and take each picture in each language."""
    executable = next(path for name in BROWSERS if (path := shutil.which(name)))
    with (
        tempfile.TemporaryDirectory() as folder,
        service_over_http(Path(folder)) as service,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        users = fill(service)
        merchant_id = users[1].person.merchant_id or ""
        fill_days(service, merchant_id)
        message = found(MESSAGE, users[0].get(f"/messages?merchant={merchant_id}").text)
        more = {"/console": [f"/console/messages/{message}", "/console?days=28"],
                "/merchant": ["/merchant?days=28"]}  # fmt: skip
        for user in users:
            paths = [*walk(user), *more.get(user.path, ())]
            for name, pattern in PICTURES:
                path = next((each for each in paths[::-1] if re.fullmatch(pattern, each)), None)
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
