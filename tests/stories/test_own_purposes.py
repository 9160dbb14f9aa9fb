"""An operator's own purposes: from the file to tokens, pages and replies; what may not change."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from consent_tokens.app_context import load_purposes
from consent_tokens.consent.purposes import use_own_purposes
from consent_tokens.errors import PurposesChangedError, SettingError
from consent_tokens.services.integrity.purposes import ensure_purposes
from consent_tokens.services.integrity.readiness import CHECK_INTERVAL_SECONDS, unready_reasons
from consent_tokens.settings import Settings
from tests.fixtures import OWN_PURPOSE
from tests.service import PROMOTIONS, Service

POINTS = "loyalty.points"


@pytest.fixture(autouse=True)
def built_in_again() -> Iterator[None]:
    yield
    use_own_purposes(())


def start_with(folder: Path, text: str) -> None:
    """Read the purposes of a file, as each process does when it starts."""
    path = folder / "own.toml"
    path.write_text(text, "utf-8")
    load_purposes(Settings.from_environment({"CONSENT_PURPOSES_FILE": str(path)}))


@pytest.fixture
def own(tmp_path: Path, small: Service) -> Service:
    """A service that has one purpose more."""
    start_with(tmp_path, OWN_PURPOSE)
    return Service.from_context(small.context)


def test_an_own_purpose_is_asked_for_agreed_to_sent_and_stopped_by_its_number(
    own: Service,
) -> None:
    merchant, consumer = own.merchant(), own.consumer()
    request = merchant.ask(POINTS, PROMOTIONS, **{"from": "00:00", "to": "24:00"})
    page = consumer.get(request["path"]).text
    assert "会员积分" in page
    assert "积分的获得、使用和到期，例如“您有 120 积分”" in page
    consumer.agree(request["path"], POINTS, PROMOTIONS)
    token = merchant.token(request)
    assert merchant.send(token, POINTS, "您有 120 积分").status_code == 202
    own.work()
    assert "【晨光书店】您有 120 积分" in consumer.texts()[-1]
    assert "/m/" in consumer.texts()[-1], "it is of class marketing"
    own.reply(consumer.number, "106900011", "退订 101")
    assert "不再发：会员积分" in consumer.texts()[-1]
    assert merchant.send(token, POINTS).json["code"] == "purpose_not_granted"
    assert merchant.send(token, PROMOTIONS).status_code == 202


def test_an_own_purpose_is_described_with_the_others(own: Service) -> None:
    browser = own.app.test_client()
    assert POINTS in browser.get("/.well-known/consent-configuration").json["purposes_supported"]
    described = browser.get("/openapi.json").json
    purposes = described["components"]["schemas"]["ConsentRequestIn"]["properties"]["purposes"]
    assert POINTS in purposes["items"]["enum"]
    granted = described["webhooks"]["consent.granted"]["post"]["requestBody"]
    data = granted["content"]["application/json"]["schema"]["properties"]["data"]
    assert POINTS in data["properties"]["purposes"]["items"]["enum"]
    docs = browser.get("/docs").text
    assert "points that you earn and spend, such as “You have 120 points”" in docs
    assert "STOP 101" in docs


def test_a_purpose_that_nobody_defined_is_refused(small: Service) -> None:
    answer = small.merchant().post("/v1/consent-requests", {"purposes": [POINTS]})
    assert answer.status_code == 422
    assert "Must be one of: marketing.promotions, " in str(answer.json["errors"])


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        ("", "loyalty.points is missing"),
        (OWN_PURPOSE.replace("101", "102"), "loyalty.points: `number` was 101, not 102"),
        (OWN_PURPOSE.replace('"marketing"', '"transactional"'),
         "loyalty.points: `class` was marketing, not transactional"),
        (OWN_PURPOSE.replace("points", "levels"), "`number` 101 was that of loyalty.points"),
    ],
)  # fmt: skip
def test_a_purpose_that_was_in_use_stays_as_it_was(
    service: Service, tmp_path: Path, after: str, fault: str
) -> None:
    start_with(tmp_path, OWN_PURPOSE)
    ensure_purposes(service.runtime)
    if after:
        start_with(tmp_path, after)
    else:
        use_own_purposes(())
    with pytest.raises(PurposesChangedError, match=fault):
        ensure_purposes(service.runtime)
    assert unready_reasons(service.runtime) == ["purposes_changed"], "nothing is sent"
    start_with(tmp_path, OWN_PURPOSE.replace("120", "130"))
    service.clock.advance(timedelta(seconds=CHECK_INTERVAL_SECONDS + 1))
    assert unready_reasons(service.runtime) == [], "its words may change"


def test_a_file_that_is_wrong_is_named_with_purpose_and_member(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as raised:
        start_with(tmp_path, OWN_PURPOSE.replace("number = 101", "number = 5"))
    said = str(raised.value)
    assert said.startswith(f"CONSENT_PURPOSES_FILE: {tmp_path}/own.toml: loyalty.points: `number`")
