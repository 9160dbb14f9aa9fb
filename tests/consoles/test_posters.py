"""Posters: everybody who scans one gets a request of their own; it is limited, expires, ends."""

import re
from datetime import timedelta
from typing import Any

import pytest

from consent_tokens.policies import RateLimit
from consent_tokens.services.consents import posters
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


def test_what_is_wrong_with_a_poster_is_said_at_its_field(small: Service) -> None:
    user = merchant_person(small, small.merchant().id)
    wrong: list[tuple[str, Any]] = [("name", ""), ("days", "0"), ("days", "999"), ("purposes", [])]
    for field, entered in wrong:
        answer = user.post("/posters", **FORM | {field: entered})
        assert answer.status_code == 422, (field, entered)
        assert f'href="#{field}"' in answer.text, (field, entered)
