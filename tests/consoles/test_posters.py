"""Posters: everybody who scans one gets a request of their own; it is limited, expires, ends."""

import re
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text as sql

from consent_tokens.consent import poster as poster_module
from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.policies import RateLimit
from consent_tokens.services.consents import posters
from consent_tokens.store import merchants
from consent_tokens.store.merchants import MerchantStatus
from tests.console_people import ConsoleUser, merchant_person
from tests.number_scan import NUMBERS
from tests.service import CSRF, PROMOTIONS, Consumer, Service, found

FORM: dict[str, Any] = {"purposes": [PROMOTIONS], "name": "Till", "days": "7", "locale": "en"}
LINK = re.compile(r'value="http://localhost(/p/[^"/]+)"')


def poster(user: ConsoleUser, **form: str) -> tuple[str, str]:
    """Create a poster; return its page in the console, and the path behind its code."""
    created = user.post("/posters", **FORM | form)
    assert created.status_code == 303, created.text
    page = created.headers["Location"].removeprefix("/merchant")
    return page, found(LINK, user.get(page).text)


def scan(consumer: Consumer, path: str) -> str:
    """Scan a code and go on; return the path of the request that was opened."""
    page = consumer.get(path)
    assert "may we text you?" in page.text or "发短信" in page.text, page.text
    opened = consumer.post(path, page.text)
    assert opened.status_code == 303, opened.text
    return opened.headers["Location"]


def test_each_person_who_scans_answers_a_request_of_their_own(small: Service) -> None:
    merchant = small.merchant()
    user = merchant_person(small, merchant.id, "marketer")
    page, path = poster(user)
    first, second = small.consumer(NUMBERS[0]), small.consumer(NUMBERS[1])
    for _ in range(3):
        first.get(path)  # a link preview
    assert first.get(f"{path}/qr.svg").mimetype == "image/svg+xml"
    asked = [scan(each, path) for each in (first, second)]
    assert len(set(asked)) == 2
    first.agree(asked[0], PROMOTIONS)
    second.post(asked[1], decision="decline")
    third = scan(second, path)
    small.clock.sleep(timedelta(hours=1).total_seconds())
    assert not CSRF.search(second.get(third).text), "it is open for an hour"
    listed = merchant.get("/v1/consent-requests").get_json()["items"]
    assert sorted(each["status"] for each in listed) == ["declined", "expired", "granted"]
    assert all(each["reference"].startswith("Till ") for each in listed)
    assert len({each["reference"] for each in listed}) == 3
    user.sign_in()
    assert "Requests opened: 3" in user.get(page).text
    assert ">3<" in user.get("/posters").text
    stranger = merchant_person(small, small.merchant("Other").id, name="x@shop.example")
    assert stranger.get(page).status_code == stranger.post(f"{page}/end").status_code == 404


def test_a_poster_ends_expires_and_is_limited(
    small: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = merchant_person(small, small.merchant().id)
    consumer = small.consumer()
    page, path = poster(user)
    shown = consumer.get(path).text
    assert user.post(f"{page}/end").status_code == 303
    assert user.post(f"{page}/end").status_code == 409
    assert "发短信" not in consumer.post(path, shown).text
    assert not CSRF.search(consumer.get(path).text)
    _page, path = poster(user, name="Door")
    monkeypatch.setattr(posters, "SCANS", RateLimit(1, timedelta(hours=1)))
    scan(consumer, path)
    assert consumer.post(path).status_code == 429
    small.clock.sleep(timedelta(days=7).total_seconds())
    assert not CSRF.search(consumer.get(path).text)
    assert consumer.get("/p/nothing").status_code == 404


def test_a_merchant_that_may_not_ask_at_present_is_not_said_to_be_too_late(small: Service) -> None:
    merchant = small.merchant()
    user = merchant_person(small, merchant.id)
    consumer = small.consumer()
    page, path = poster(user)
    admitted = small.runtime.database.read(lambda at: merchants.find(at, merchant.id))
    assert admitted
    barred = (
        (replace(admitted, status=MerchantStatus.SUSPENDED), "does not let this shop ask"),
        (
            replace(admitted, suspended_classes=frozenset({PurposeClass.MARKETING})),
            "rules of the platform",
        ),
    )
    for each, words in barred:
        shown = consumer.get(f"{path}?lang=en").text
        small.runtime.database.run(partial(merchants.update_one, merchant=each))
        small.clock.advance(timedelta(seconds=10))
        for answer in (consumer.post(path, shown), consumer.get(path)):
            assert words in answer.text
            assert "Its time is over" not in answer.text
            assert "new link" not in answer.text
        small.runtime.database.run(partial(merchants.update_one, merchant=admitted))
        small.clock.advance(timedelta(seconds=10))
    refused = [each.reason for each in events(small) if each.kind == "request_refused"]
    assert refused == ["forbidden", "invalid"]
    assert "Requests opened: 0" in user.get(page).text


def test_scans_that_are_refused_are_counted(
    small: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = small.merchant()
    consumer = small.consumer()
    _page, path = poster(merchant_person(small, merchant.id))
    shown = consumer.get(path).text
    monkeypatch.setattr(poster_module, "MAX_OPENED_A_DAY", 2)
    suspended = MerchantStatus.SUSPENDED
    small.runtime.database.run(lambda at: merchants.set_status(at, merchant.id, suspended))
    assert [consumer.post(path, shown).status_code for _ in range(3)] == [200, 200, 429]
    now = small.clock.now()
    until_midnight = timedelta(days=1) - (now - now.replace(hour=0, minute=0, second=0))
    wait = int(consumer.post(path, shown).headers["Retry-After"])
    assert abs(wait - until_midnight.total_seconds()) <= 1
    assert len([each for each in events(small) if each.kind == "request_refused"]) == 2


def test_open_posters_are_listed_however_many_have_ended_since(
    small: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posters, "MAX_POSTERS", 2)
    user = merchant_person(small, small.merchant().id)
    poster(user, name="First")
    for name in ("Second", "Third", "Fourth"):
        small.clock.advance(timedelta(seconds=1))
        ended, _path = poster(user, name=name)
        assert user.post(f"{ended}/end").status_code == 303
    assert ">First<" in user.get("/posters").text
    poster(user, name="Fifth")
    answer = user.post("/posters", **FORM | {"name": "Sixth"})
    assert answer.status_code == 422
    assert "2 posters are open. End one first." in answer.text
    assert "does not let you ask" not in answer.text
    assert not [each for each in events(small) if each.kind == "request_refused"]


def events(service: Service) -> list[Any]:
    query = sql("SELECT kind, reason FROM events ORDER BY at, id")
    return list(service.runtime.database.read(lambda at: at.execute(query).all()))


def test_what_is_wrong_with_a_poster_is_said_at_its_field(small: Service) -> None:
    user = merchant_person(small, small.merchant().id)
    wrong: list[tuple[str, Any]] = [("name", ""), ("days", "0"), ("days", "999"), ("purposes", [])]
    for field, entered in wrong:
        answer = user.post("/posters", **FORM | {field: entered})
        assert answer.status_code == 422, (field, entered)
        assert f'href="#{field}"' in answer.text, (field, entered)
