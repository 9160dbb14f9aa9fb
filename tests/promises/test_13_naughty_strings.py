"""Promise 13: whatever is typed into any form, sent to any operation or put into any address, no
answer is a 5xx. The strings are of the kinds that have broken services before.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.console_people import merchant_person
from tests.consoles.test_posters import poster
from tests.service import CSRF, LINK, NOTICE, ORDERS, PROMOTIONS, Consumer, Service, found

NAUGHTY = [
    "", " ", "\t\r\n", "\0", "a\0b", "null", "None", "true", "-1", "0", "1.5", "1e309", "9" * 40,
    "٣", "²", "Ⅷ", "０", "-0", "0x10", "NaN", "Infinity", "'", '"', "\\", "' OR 1=1 --",
    "%", "%00",
    "%s%n", "{{7*7}}", "${7*7}", "<script>alert(1)</script>", "../../etc/passwd", "//evil.example",
    "http://[", "http://[::1", "http://a:b@c", "https://a:99999/", "https://\u2100.example",
    "javascript:alert(1)", "0001-01-01", "9999-12-31", "9999-12-31T23:59", "0001-01-01T00:00",
    "2026-02-30", "24:01", "-00:01", "+86 139 0000 0000", "+" + "8" * 60, "13800138000\0",
    "\u202e\u200b\ufeff", "\ufdfa" * 300, "\u0301" * 300, "😀" * 50, "\U0010ffff", "\ufffe",
    "字" * 3000,
    "a" * 30_000, "\ud7ff", "İ", "ß", "ﬁ", "zh-CN", "=1+1", "\r\nX-Header: 1", "&#0;", "&amp;",
]  # fmt: skip
FIELDS = [
    "phone", "code", "decision", "purposes", "max_messages", "per_days", "from", "to", "days",
    "expires_in_days", "timezone", "lang", "until", "season", "a_day", "a_week", "invitations",
    "at",
    "sender", "text", "reason", "statement", "case", "case_number", "grant", "number", "receipt",
    "altcha", "stay", "confirm", "notice",
]  # fmt: skip
ACTIONS = [
    "revoke", "pause", "resume", "narrow", "extend", "report", "calm", "no_calm", "limits", "rest",
    "invitations", "send", "look_up", "stop_all", "erase", "new_number", "log_out",
]  # fmt: skip


@pytest.fixture
def known(small: Service) -> tuple[Consumer, dict[str, str]]:
    """A consumer who is signed in and has a message, and an id for each argument of an address."""
    merchant, consumer = small.merchant(), small.consumer()
    small.obtain_token(merchant, consumer, PROMOTIONS, ORDERS)
    token = small.obtain_token(merchant, consumer, PROMOTIONS)
    merchant.send(token)
    small.work()
    pending = merchant.ask(PROMOTIONS)
    consumer.log_in()
    ids = {
        "page_id": pending["path"].removeprefix("/c/"),
        "link_id": found(
            LINK,
            consumer.texts()[-1] if "/m/" in consumer.texts()[-1] else "".join(consumer.texts()),
        ),
        "grant_id": merchant.get("/v1/grants").json["items"][0]["id"],
        "receipt_id": "A" * 22,
        "section_id": "messages",
        "poster_id": poster(merchant_person(small, merchant.id))[1].removeprefix("/p/"),
    }
    return consumer, ids


def pages(service: Service, method: str) -> Iterator[str]:
    """The rules of all pages that take a method."""
    for rule in service.app.url_map.iter_rules():
        # those of the consoles: tests/consoles/test_pages.py
        others = ("/v1", "/static", "/metrics", "/console", "/merchant")
        is_page = not rule.rule.startswith(others)
        if is_page and method in (rule.methods or ()):
            yield rule.rule.replace("<", "{").replace(">", "}")


def test_no_form_of_a_page_fails(small: Service, known: tuple[Consumer, dict[str, str]]) -> None:
    consumer, ids = known
    tried = 0
    for rule in pages(small, "POST"):
        path = rule.format(**ids)
        page = consumer.get(path)
        tokens = {"csrf": match[1]} if (match := CSRF.search(page.text)) else {}
        if match := NOTICE.search(page.text):
            tokens["notice"] = match[1]
        for place, text in enumerate(NAUGHTY):
            for action in (
                ACTIONS[place % len(ACTIONS)],
                ACTIONS[(place + 7) % len(ACTIONS)],
                text,
            ):
                form = dict.fromkeys(FIELDS, text) | {"action": action} | tokens
                form["decision"] = "grant" if place % 2 else "decline" if place % 3 else text
                answer = consumer.browser.post(path, data=form)
                assert answer.status_code < 500, (path, text, action)
                tried += 1
    assert tried > 1000


def test_no_address_of_a_page_fails(small: Service, known: tuple[Consumer, dict[str, str]]) -> None:
    consumer, ids = known
    for rule in pages(small, "GET"):
        paths = [rule.format(**ids)]
        if "{" in rule:
            paths += [rule.format(**dict.fromkeys(ids, quote(text) or "-")) for text in NAUGHTY]
        else:
            paths += [f"{rule}?lang={quote(text)}&x={quote(text)}" for text in NAUGHTY[::3]]
        # ids of links that lead nowhere are counted: after many, the next is not looked up
        after_many = {429} if rule.startswith("/m/") else set()
        for path in paths:
            answer = consumer.get(path)
            assert answer.status_code in {200, 302, 303, 308, 404} | after_many, path


def test_no_query_is_too_long(small: Service) -> None:
    merchant = small.merchant()
    for path in ("/v1/messages", "/v1/grants", "/v1/consent-requests", "/v1/complaints"):
        for name in ("cursor", "limit", "status", "reference", "created_from", "x" * 5000):
            for text in [*NAUGHTY, "a" * 200_000]:
                answer = merchant.get(f"{path}?{name}={quote(text)}")
                assert answer.status_code in {200, 414, 422}, (path, name, text[:50])


BODIES: dict[str, dict[str, Any]] = {
    "/v1/consent-requests": {
        "purposes": [ORDERS], "max_messages": 1, "per_days": 1, "from": "09:00", "to": "10:00",
        "expires_in_days": 1, "reference": "r", "return_url": "https://a.example", "locale": "en",
        "token": "t",
    },
    "/v1/messages": {
        "token": "t", "purpose": ORDERS, "text": "x", "reference": "r", "send_at": "s",
        "valid_for_minutes": 1,
    },
    "/v1/tokens/introspect": {"token": "t", "token_type_hint": "h"},
    "/v1/tokens/renew": {"token": "t"},
    "/v1/tokens/revoke": {"token": "t"},
}  # fmt: skip


def test_no_member_of_a_body_fails(service: Service) -> None:
    merchant = service.merchant()
    token = service.obtain_token(merchant, service.consumer(), ORDERS)
    for path, body in BODIES.items():
        sound = {**body, "token": token} if path == "/v1/messages" else body
        sound = {name: value for name, value in sound.items() if name != "send_at"}
        for name in body:
            for text in NAUGHTY:
                for value in (text, [text], {"a": text}):
                    answer = merchant.post(path, {**sound, name: value})
                    assert answer.status_code < 500, (path, name, value)
        for text in NAUGHTY:
            answer = merchant.post(
                path,
                sound,
                Idempotency_Key=text.encode()
                .decode("latin-1")[:99]
                .replace("\n", "")
                .replace("\r", ""),
            )
            assert answer.status_code < 500, (path, text)


@pytest.mark.parametrize(
    "kind",
    [
        "application/json; charset=utf-16", "application/json; charset=nonsense",
        "application/json;",
        "text/json", "APPLICATION/JSON", "application/x+json", "multipart/form-data",
        "multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=utf-7",
        "", "/",
    ],
)  # fmt: skip
def test_no_content_type_fails(small: Service, kind: str) -> None:
    merchant = small.merchant()
    for path, body in BODIES.items():
        for data in (json.dumps(body).encode(), b"token=%FF%00&token_type_hint=%", b"--x\r\n\r\n"):
            answer = small.app.test_client().post(
                path, data=data, headers={
                    "Authorization": f"Bearer {merchant.api_key}", "Content-Type": kind,
                },
            )  # fmt: skip
            assert answer.status_code < 500, (path, kind)


@pytest.mark.parametrize(
    "header",
    [
        "Origin",
        "Referer",
        "Accept-Language",
        "Cookie",
        "Authorization",
        "Sec-Fetch-Site",
        "X-Forwarded-For",
    ],
)
def test_no_header_fails(small: Service, header: str) -> None:
    for text in NAUGHTY:
        value = text.encode().decode("latin-1")[:2000].replace("\r", "").replace("\n", "")
        for path in ("/my", "/report", "/v1/grants"):
            browser = small.app.test_client()
            assert browser.get(path, headers={header: value}).status_code < 500, (path, text)
            assert browser.post(path, headers={header: value}).status_code < 500, (path, text)
