"""A service in which each list of both consoles has something, and a walk over all their pages."""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from consent_tokens.services.admission.applications import apply
from consent_tokens.services.admission.suspension import suspend
from consent_tokens.services.people import lifting
from tests.console_people import ConsoleUser, merchant_person, operator
from tests.consoles.test_campaigns import csv_of, uploaded
from tests.consoles.test_reviews import apply_for_sender, submit
from tests.service import ADMIN, ALWAYS, PROMOTIONS, Service, application, registration_of
from tests.stories.test_class_disputes import Shop

HREF = re.compile(r'href="([^"#]+)')
ID = re.compile(r"(?<=/)[\w-]{16,}")
PAGES_OF_A_KIND = 1  # that are looked at, of those that differ by an id only


def fill(service: Service) -> tuple[ConsoleUser, ConsoleUser]:
    """Fill a service; return an administrator, and the owner of a merchant, who are signed in."""
    shop = Shop(service, people=3)
    merchant = shop.merchant
    for each in shop.people:
        shop.send(each)
        shop.report(each)
    token = shop.tokens[shop.people[0].number]
    for place in range(3):
        merchant.send(token, PROMOTIONS, f"新书到店 {place}", reference=f"autumn-{place}")
    service.work()
    service.reply(shop.people[2].number, "106900011", "TD")
    merchant.ask(PROMOTIONS, reference="customer-7", **ALWAYS)
    submit(merchant, "订单{order}已发出，领取红包")
    submit(merchant, "新书到店，本周末八折", PROMOTIONS)
    apply_for_sender(service, merchant, "1")
    apply(service.runtime, application("小山茶馆", number=7))
    tea = service.legal_merchant("海风茶业", sends=False, registration=registration_of(9))
    suspend(service.runtime, ADMIN, tea.id, "there are too many complaints about its texts")
    lifting.lift(service.runtime, ADMIN, tea.id, "what led to the suspension is mended")
    merchant.post(
        "/v1/webhooks", {"url": "https://shop.example/hook", "events": ["consent.granted"]}
    )
    begins = service.clock.now() + timedelta(days=1)
    times = {"starts_at": begins.isoformat(), "ends_at": (begins + timedelta(days=1)).isoformat()}
    merchant.post("/v1/plans", {**times, "messages": 50_000, "reference": "autumn"})
    service.clock.advance(timedelta(hours=1))
    service.maintain()
    owner = merchant_person(service, merchant.id)
    lines = [
        (token, PROMOTIONS, "新书到店，本周末八折", "spring-1"),
        ("x", PROMOTIONS, "", "spring-2"),
    ]
    uploaded(owner, csv_of(*lines))
    return operator(service, "admin", "Ann Admin"), owner


def links_of(html: str, path: str) -> Iterator[str]:
    """Return the addresses below `path` that a page leads to, without queries."""
    for found in HREF.findall(html):
        address = urlsplit(found.replace("&amp;", "&")).path
        if address.startswith(path):
            yield address


def walk(user: ConsoleUser) -> dict[str, str]:
    """Return the HTML of the pages of a console by path: one of each kind."""
    pages: dict[str, str] = {}
    kinds: dict[str, int] = {}
    waiting = [user.path]
    while waiting:
        path = waiting.pop(0)
        kind = ID.sub("0", path)
        if path in pages or kinds.get(kind, 0) >= PAGES_OF_A_KIND:
            continue
        answer = user.browser.get(path, headers={"Accept-Language": "en"})
        assert answer.status_code == 200, (path, answer.status_code)
        if not answer.content_type.startswith("text/html"):
            continue  # a file
        kinds[kind] = kinds.get(kind, 0) + 1
        pages[path] = answer.text
        waiting += links_of(answer.text, user.path)
    return pages
