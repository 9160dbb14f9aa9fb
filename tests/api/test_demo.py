"""The demonstration shop submits as the API does: readiness, backpressure, the relay's decision."""

import re
from dataclasses import replace
from datetime import timedelta

from consent_tokens.relay.message import Priority
from consent_tokens.store import outbox
from consent_tokens.store.database import Database
from tests.service import PROMOTIONS, Consumer, Service, found

SHOP = "/demo/shop"
PAGE_LINK = re.compile(r'href="(/c/[A-Za-z0-9_-]+)"')
OFFER = "50 off 200, tonight"


def shop_with_consent(service: Service) -> tuple[Consumer, Consumer]:
    """Return a browser at the shop, and a customer who has consented to its promotions."""
    service.merchant()
    shop, customer = service.consumer("+8613900000001"), service.consumer()
    shop.get("/?lang=en")
    shop.post(SHOP, action="ask")
    customer.agree(found(PAGE_LINK, shop.get(SHOP).text), PROMOTIONS)
    return shop, customer


def send(shop: Consumer) -> str:
    """Submit an offer and return the shop's page after it."""
    answer = shop.post(SHOP, action="send", text=OFFER)
    assert answer.status_code == 303
    return shop.get(SHOP).text


def queued(service: Service) -> int:
    """Return how many marketing messages are in the outbox."""
    count, _ = service.runtime.database.read(
        lambda transaction: outbox.depth(transaction, Priority.MARKETING, 100)
    )
    return count


def test_the_shop_sends_under_a_consent(small: Service) -> None:
    shop, customer = shop_with_consent(small)
    assert "Accepted." in send(shop)
    small.work()
    assert [OFFER in text for text in customer.texts()[-1:]] == [True]


def test_the_shop_sends_nothing_without_a_consent(small: Service) -> None:
    small.merchant()
    shop = small.consumer()
    shop.get("/?lang=en")
    shop.post(SHOP, action="ask")
    assert "no consent" in send(shop)
    assert queued(small) == 0


def test_a_full_outbox_is_shown_and_nothing_is_enqueued(small: Service) -> None:
    limited = small.with_context(relay=replace(small.context.relay, outbox_limit=1))
    shop, _ = shop_with_consent(limited)
    assert "Accepted." in send(shop)
    limited.clock.advance(timedelta(seconds=10))  # the cached count of the outbox expires
    assert "<code>outbox_full</code>" in send(shop)
    assert queued(limited) == 1
    limited.work()
    limited.clock.advance(timedelta(seconds=10))
    assert "Accepted." in send(shop)


def test_an_unwritable_journal_is_shown_and_nothing_is_enqueued(small: Service) -> None:
    shop, customer = shop_with_consent(small)
    before = customer.texts()
    journal = small.runtime.revocation_journal.path
    aside = journal.rename(journal.with_name("aside"))
    journal.mkdir()  # it cannot be opened for writing, not even by root
    assert "<code>journal_unavailable</code>" in send(shop)
    journal.rmdir()
    aside.rename(journal)
    small.clock.advance(timedelta(seconds=10))  # the cached result of the check expires
    small.work()
    assert (queued(small), customer.texts()) == (0, before)
    assert "Accepted." in send(shop)


def test_a_refusal_is_shown_with_its_code_and_explanation(small: Service) -> None:
    shop, customer = shop_with_consent(small)
    for _ in range(4):  # the shop asks for four messages in 30 days
        assert "Accepted." in send(shop)
    assert "<code>cap_reached</code>" in send(shop)
    assert queued(small) == 4
    small.work()
    assert sum(OFFER in text for text in customer.texts()) == 4


DEMO = "/demo"
STEP = re.compile(r"Step (\d) of 5")


def test_the_demonstration_says_each_next_step_until_the_refusal(small: Service) -> None:
    small.merchant()
    shop, customer = small.consumer(), small.consumer()
    shop.get("/?lang=en")
    steps = [found(STEP, shop.get(DEMO).text)]
    shop.post(DEMO, action="ask")
    steps.append(found(STEP, page := shop.get(DEMO).text))
    customer.agree(found(PAGE_LINK, page), PROMOTIONS)
    steps.append(found(STEP, shop.get(DEMO).text))
    shop.post(DEMO, action="send", text=OFFER)
    assert "Accepted." in shop.get(DEMO).text
    small.work()
    page = shop.get(DEMO).text
    assert OFFER in page, "the phone is beside the shop"
    steps.append(found(STEP, page))
    source = found(re.compile(r'name="source" value="(\d+)"'), page)
    shop.post(DEMO, action="reply", phone=customer.number, source=source, text="STOP")
    small.work()
    small.work()
    steps.append(found(STEP, shop.get(DEMO).text))
    assert steps == ["1", "2", "3", "4", "5"]
    shop.post(DEMO, action="send", text=OFFER)
    assert "<code>consent_revoked</code>" in shop.get(DEMO).text
    assert shop.post(DEMO, action="none").status_code == 400


def test_refreshing_the_demonstration_sets_no_cookie(small: Service) -> None:
    """A refresh that is answered late may not undo what the shop's last form kept."""
    small.merchant()
    shop = small.consumer()
    shop.post(DEMO, action="ask")
    answer = shop.get(DEMO)
    assert "Set-Cookie" not in answer.headers
    assert "script-src 'self'; connect-src 'self'" in answer.headers["Content-Security-Policy"]


def test_an_unavailable_database_is_an_error_page(small: Service) -> None:
    away = small.with_runtime(database=Database.open("postgresql://nobody@127.0.0.1:1/none"))
    answer = away.app.test_client().get(SHOP)
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
