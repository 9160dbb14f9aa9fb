"""`demo`: the whole story in the terminal, against the running parts."""

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import click

from consent_tokens.clock import SystemClock

PHONE: Final = "+8613800138000"
START_SECONDS: Final = 30.0
WAIT_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.1
CSRF = re.compile(r'name="csrf" value="([^"]+)"')
NOTICE = re.compile(r'name="notice" value="([^"]+)"')
API_KEY = re.compile(r"(ctk_\S+)")
BUBBLE = re.compile(r'class="bubble">.*?<br>(.*?)</div>', re.DOTALL)
TAG = re.compile(r"<[^>]+>")


class _Browser:
    """A consumer's browser, or a merchant's program, as far as this story needs one."""

    def __init__(self, base: str, api_key: str | None = None) -> None:
        self.base = base
        self.api_key = api_key
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def open(self, path: str, **form: str | list[str]) -> str:
        """Return a page; with a form, the page that answers it."""
        data = urlencode(form, doseq=True).encode() if form else None
        try:
            with self.opener.open(Request(self.base + path, data)) as reply:  # noqa: S310 - our own
                text: str = reply.read().decode()
        except HTTPError as fault:
            text = fault.read().decode()
        return text

    def call(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the merchant API, and return its answer, a problem or not."""
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with self.opener.open(Request(self.base + path, data, headers)) as reply:  # noqa: S310 - ours
                answer: dict[str, Any] = json.load(reply)
        except HTTPError as fault:
            answer = json.load(fault)
        return answer


@click.command()
def demo() -> None:
    """Tell the whole story in the terminal: ask, agree, send, revoke, be refused."""
    with _service() as (base, api_key):
        _run_demo(_Browser(base), _Browser(base, api_key))


def _run_demo(consumer: _Browser, merchant: _Browser) -> None:
    token = _demo_consent(consumer, merchant)
    _demo_revocation(consumer, merchant, token)


def _demo_consent(consumer: _Browser, merchant: _Browser) -> str:
    say = click.echo
    say("1. The shop asks a customer for consent. It does not know the number.")
    asked = merchant.call(
        "/v1/consent-requests",
        {"purposes": ["marketing.promotions"], "from": "00:00", "to": "24:00", "locale": "en"},
    )
    page = str(asked["consent_url"]).removeprefix(merchant.base)
    say(f"   {asked['consent_url']}")
    say("2. The customer opens the link, ticks a box, types the number, and gets a code by SMS.")
    question = consumer.open(page)
    confirm = consumer.open(
        page,
        csrf=_found(CSRF, question),
        purposes=["marketing.promotions"],
        phone=PHONE,
        decision="grant",
    )
    text = _wait_for_sms(consumer, "code is")
    say(f"   SMS: {text}")
    say("3. With the code, the yes counts.")
    consumer.open(
        page,
        csrf=_found(CSRF, confirm),
        notice=_found(NOTICE, confirm),
        code=_found(re.compile(r"(\d{6})"), text),
        decision="grant",
    )
    fetched = merchant.call(f"/v1/consent-requests/{asked['id']}/token", {})
    token = str(fetched["token"])
    say(f"   The shop fetches its consent token ({len(token)} characters): {token[:48]}...")
    return token


def _demo_revocation(consumer: _Browser, merchant: _Browser, token: str) -> None:
    say = click.echo
    say("4. The shop sends, with the token in place of a number.")
    draft = {"token": token, "purpose": "marketing.promotions", "text": "50 off 200, tonight"}
    sent = merchant.call("/v1/messages", draft)
    say(f"   {sent['status']}: {sent['id']}")
    text = _wait_for_sms(consumer, "50 off 200")
    say(f"   SMS: {text}")
    say("5. The customer opens the link in the SMS and stops it.")
    link = _found(re.compile(r"(/m/[A-Za-z0-9_-]{22})"), text)
    stopped = consumer.open(link, csrf=_found(CSRF, consumer.open(link)), action="revoke")
    say(f"   {_found(re.compile(r'<h1>(.*?)</h1>'), stopped)}")
    say("6. The shop tries again.")
    refused = merchant.call("/v1/messages", draft)
    say(f"   {refused['status']} {refused['code']}: {refused['detail']}")
    say("7. And the token cannot be opened any more: the key of its number is destroyed.")
    renewed = merchant.call("/v1/tokens/renew", {"token": token})
    say(f"   renew: {renewed['status']} {renewed['code']}")
    active = merchant.call("/v1/tokens/introspect", {"token": token})["active"]
    say(f"   introspect: active = {str(active).lower()}")


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    if match is None:
        raise click.ClickException(f"the story broke off: no {pattern.pattern} on the page")
    return unescape(match[1])


def _wait_for_sms(consumer: _Browser, words: str) -> str:
    """Return the text with these words, once it has arrived on the simulated phone."""
    clock = SystemClock()
    until = clock.monotonic() + WAIT_SECONDS
    while clock.monotonic() < until:
        texts = [
            unescape(TAG.sub("", text)) for text in BUBBLE.findall(consumer.open("/demo/phones"))
        ]
        if found := [text for text in texts if words in text]:
            return found[-1]
        clock.sleep(LOOK_SECONDS)
    raise click.ClickException("the story broke off: no SMS arrived")


@contextmanager
def _service() -> Iterator[tuple[str, str]]:
    """Run a service of its own for the story, in a folder that is removed after it."""
    folder = Path(tempfile.mkdtemp(prefix="consent-demo-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {
        "CONSENT_DATABASE_URL": f"sqlite:///{folder}/consent.db",
        "CONSENT_KEYS_DIR": str(folder / "keys"),
        "CONSENT_GATEWAY_URL": "simulator:",
        "PATH": "/usr/bin:/bin",
    }
    told = (folder / "told").open("w+")
    process = subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-m", "consent_tokens", "serve", "--bind", address],
        env=environment,
        stderr=told,
    )
    try:
        base = f"http://{address}"
        _until_ready(base, process)
        yield base, _found(API_KEY, (folder / "told").read_text())
    finally:
        process.terminate()
        process.wait()
        told.close()
        shutil.rmtree(folder)


def _until_ready(base: str, process: subprocess.Popen[bytes]) -> None:
    clock = SystemClock()
    until = clock.monotonic() + START_SECONDS
    browser = _Browser(base)
    while clock.monotonic() < until and process.poll() is None:
        try:
            if "true" in browser.open("/readyz"):
                return
        except URLError:
            clock.sleep(LOOK_SECONDS)
    raise click.ClickException("the service did not start")
