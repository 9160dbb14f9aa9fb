"""What anyone may ask, and what nobody gets: no debugger, no inside, no cookie that leaks."""

import json
import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from consent_tokens.consent.purposes import Purpose
from tests.service import Service

EXAMPLE = re.compile(r'<pre tabindex="0"><code>([{\[][^<]*)</code></pre>')
SUCCESS = ("200", "201", "202")


@pytest.mark.parametrize(
    "path",
    ["/?__debugger__=yes&cmd=resource&f=style.css", "/my?__debugger__=yes", "/docs?__debugger__=1"],
)
def test_there_is_no_debugger(small: Service, path: str) -> None:
    answer = small.app.test_client().get(path)
    assert not small.app.debug
    assert "werkzeug" not in answer.text.lower()
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["/operator", "/static/../keys/index.key", "/.git/config"])
def test_there_is_nothing_where_others_have_left_something(small: Service, path: str) -> None:
    assert small.app.test_client().get(path).status_code == 404


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PUT", "DELETE", "PATCH"])
def test_no_other_method_is_taken(small: Service, method: str) -> None:
    for path in ("/my", "/v1/messages", "/"):
        assert small.app.test_client().open(path, method=method).status_code in {404, 405}


def test_under_https_cookies_and_transport_are_strict(tmp_path: Path) -> None:
    service = Service.start(
        f"sqlite:///{tmp_path}/consent.db", tmp_path / "keys", base_url="https://consent.example"
    )
    answer = service.app.test_client().get("/my", base_url="https://consent.example")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    service.close()


def test_the_public_documents_and_health_checks(small: Service) -> None:
    browser = small.app.test_client()
    assert browser.get("/healthz").json == {"status": "alive"}
    assert browser.get("/readyz").json == {"ready": True, "why": []}
    assert browser.get("/metrics").status_code == 404, "it has an address of its own"
    assert "python_info" in small.metrics()
    assert browser.get("/robots.txt").text.startswith("User-agent: *")
    described = browser.get("/openapi.json").json
    assert described["openapi"] == "3.1.0"
    code = small.merchant().ask()["path"]
    drawn = browser.get(f"{code}/qr.svg")
    assert drawn.content_type == "image/svg+xml"
    assert b"<path" in drawn.data


def test_readiness_warns_while_no_dispatcher_runs(service: Service) -> None:
    """It stays ready: what is accepted waits, and revocations must be answered."""
    browser = service.app.test_client()
    ready = {"ready": True, "why": []}
    assert browser.get("/readyz").json == ready
    service.clock.advance(timedelta(minutes=3))
    warned = browser.get("/readyz")
    assert (warned.status_code, warned.json) == (200, {**ready, "warnings": ["dispatcher_absent"]})
    service.work()
    assert browser.get("/readyz").json == ready
    service.clock.advance(timedelta(minutes=1))
    assert browser.get("/readyz").json == ready
    service.clock.advance(timedelta(minutes=2))
    assert browser.get("/readyz").json == warned.json


def test_a_cookie_that_was_touched_is_no_session(small: Service) -> None:
    consumer = small.consumer()
    small.obtain_token(small.merchant(), consumer)
    consumer.log_in()
    cookie = consumer.browser.get_cookie("session")
    assert cookie
    thief = small.app.test_client()
    thief.set_cookie("session", cookie.value[:-2] + ("AA" if cookie.value[-2:] != "AA" else "BB"))
    assert 'name="phone"' in thief.get("/my").text


def test_the_api_reference_shows_every_call_and_webhook_with_its_examples(small: Service) -> None:
    browser = small.app.test_client()
    described = browser.get("/openapi.json").json
    first = browser.get("/docs").text
    sections = sorted(set(re.findall(r'href="(/docs/[a-z_-]+)"', first)))
    pages = [first, *(browser.get(path).text for path in sections)]
    assert max(len(page.encode()) for page in pages) < 40_000
    assert browser.get("/docs/nothing").status_code == 404
    shown = "".join(pages)
    ids = set(re.findall(r'id="([^"]+)"', shown))
    calls = [
        call
        for item in described["paths"].values()
        for method, call in item.items()
        if method != "parameters"
    ]
    assert calls
    assert {each["operationId"] for each in calls} | set(described["webhooks"]) <= ids
    links = re.findall(r'href="(?:/docs/[a-z_-]+)?#([^"]+)"', shown)
    assert {match for match in links if match not in ids} == set()
    examples = [json.loads(unescape(each)) for each in re.findall(EXAMPLE, shown)]
    for call in calls:
        bodies = [call.get("requestBody"), *(call["responses"].get(each) for each in SUCCESS)]
        for body in filter(None, bodies):
            assert body["content"]["application/json"]["example"] in examples, call["operationId"]
    for purpose in Purpose:
        assert f"<code>{purpose.value}</code>" in shown
    assert "Sales and offers" in shown
    assert not re.findall(r"<dd>(?:string|integer|boolean|array|None|null)\b|None by", shown)


def test_the_api_reference_keeps_header_and_languages(small: Service) -> None:
    shown = small.app.test_client().get("/docs?lang=zh-TW").text
    assert '<html lang="zh-TW">' in shown
    assert 'hreflang="en"' in shown
    assert 'class="brand" href="/"' in shown
