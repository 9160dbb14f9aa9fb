"""Why a consumer stopped a merchant: optional, counted, and without any other effect."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent_tokens.cli.complaint import complaint
from consent_tokens.clock import SystemClock
from tests.service import CSRF, LINK, Consumer, Merchant, Service, found

ASKED = "Why did you stop?"


@pytest.fixture
def stopped(service: Service) -> tuple[Merchant, Consumer, str]:
    """A consumer who has just stopped a merchant by the link in a text."""
    service.clock.at = SystemClock().now()  # the command reads the real one
    merchant, consumer = service.merchant(), service.consumer()
    merchant.send(service.obtain_token(merchant, consumer))
    service.work()
    link = f"/m/{found(LINK, consumer.texts()[-1])}"
    assert ASKED not in consumer.get(f"{link}?lang=en").text, "no question before the stop"
    assert consumer.post(link, action="revoke").status_code == 303
    return merchant, consumer, link


def given(consumer: Consumer) -> list[str]:
    """Return the reasons in the consumer's own export."""
    consumer.log_in()
    events = consumer.get("/my/data.json").json["events"]
    return [each["code"] for each in events if each["kind"] == "stop_reason_given"]


def test_one_tap_is_recorded_once(stopped: tuple[Merchant, Consumer, str]) -> None:
    merchant, consumer, link = stopped
    page = consumer.get(link).text
    assert ASKED in page
    grants = merchant.get("/v1/grants").json
    for reason in ("too_often", "other"):
        consumer.post(link, page, action="reason", stop_reason=reason)
    assert "Thank you for telling us." in consumer.get(link).text
    assert ASKED not in consumer.get(link).text
    assert given(consumer) == ["too_often"]
    assert merchant.get("/v1/grants").json == grants
    merchant.service.clock.advance(timedelta(days=2))
    assert merchant.get("/v1/complaints").json["items"] == []


def test_who_says_nothing_or_nonsense_is_counted_nowhere(
    stopped: tuple[Merchant, Consumer, str],
) -> None:
    _, consumer, link = stopped
    page = consumer.get(link).text
    assert consumer.post(link, page, action="reason", stop_reason="because").status_code == 400
    assert consumer.post(link, page, action="reason").status_code == 400
    consumer.service.clock.advance(timedelta(hours=23))
    fresh = consumer.get(link).text
    consumer.service.clock.advance(timedelta(hours=1))
    assert ASKED not in consumer.get(link).text
    consumer.post(link, fresh, action="reason", stop_reason="other")
    assert given(consumer) == []


def test_who_never_agreed_files_a_report(stopped: tuple[Merchant, Consumer, str]) -> None:
    merchant, consumer, link = stopped
    page = consumer.get(link).text
    assert f'formaction="{link}/report" name="reason" value="never_agreed"' in page
    filed = consumer.browser.post(
        f"{link}/report",
        data={"csrf": found(CSRF, page), "action": "reason", "reason": "never_agreed"},
    )
    assert filed.location == "/reports"
    assert "I never agreed to this" in consumer.get("/reports").text
    merchant.service.clock.advance(timedelta(days=1))
    (group,) = merchant.get("/v1/complaints").json["items"]
    assert (group["reason"], group["count"]) == ("never_agreed", 1)
    assert given(consumer) == []


def test_the_operator_sees_the_counts(
    stopped: tuple[Merchant, Consumer, str], database_url: str, tmp_path: Path
) -> None:
    merchant, consumer, link = stopped
    consumer.post(link, consumer.get(link).text, action="reason", stop_reason="not_interested")
    environment = {"CONSENT_DATABASE_URL": database_url, "CONSENT_KEYS_DIR": f"{tmp_path}/keys"}
    counted = CliRunner(env=environment).invoke(complaint, ["stop-reasons", "--json"])
    assert json.loads(counted.stdout) == [
        {"merchant": merchant.id, "reason": "not_interested", "count": 1}
    ]
