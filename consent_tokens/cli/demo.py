"""`demo`: run a consent from request to revocation in the terminal, against a real service."""

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
SMS_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.1
CSRF = re.compile(r'name="csrf" value="([^"]+)"')
NOTICE = re.compile(r'name="notice" value="([^"]+)"')
API_KEY = re.compile(r"(ctk_\S+)")
OTP = re.compile(r"(\d{6})")
MESSAGE_LINK = re.compile(r"(/m/[A-Za-z0-9_-]{22})")
HEADING = re.compile(r"<h1>(.*?)</h1>")
BUBBLE = re.compile(r'class="bubble">.*?<br>(.*?)</div>', re.DOTALL)
TAG = re.compile(r"<[^>]+>")


class _Client:
    """A consumer's browser, or a merchant's program with its API key."""

    def __init__(self, base_url: str, api_key: str | None = None) -> None:
        self.base_url = base_url
        self.api_key = api_key
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def open(self, path: str, **form: str | list[str]) -> str:
        """Return a page; with a form, the page that answers it."""
        data = urlencode(form, doseq=True).encode() if form else None
        try:
            with self.opener.open(Request(self.base_url + path, data)) as response:  # noqa: S310 - the demo's own service
                text: str = response.read().decode()
        except HTTPError as error:
            text = error.read().decode()
        return text

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call the merchant API; return its answer, or its problem."""
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        request = Request(self.base_url + path, json.dumps(body).encode(), headers)  # noqa: S310 - the demo's own service
        try:
            with self.opener.open(request) as response:
                answer: dict[str, Any] = json.load(response)
        except HTTPError as error:
            answer = json.load(error)
        return answer


@click.command()
def demo() -> None:
    """Run the whole flow in the terminal: request, grant, send, revoke, refusal."""
    with _service() as (base_url, api_key):
        consumer, merchant = _Client(base_url), _Client(base_url, api_key)
        _demo_revocation(consumer, merchant, _demo_consent(consumer, merchant))


def _demo_consent(consumer: _Client, merchant: _Client) -> str:
    """Request and grant consent; return the consent token."""
    click.echo("1. The shop requests a customer's consent. It does not know the number.")
    requested = merchant.call(
        "/v1/consent-requests",
        {"purposes": ["marketing.promotions"], "from": "00:00", "to": "24:00", "locale": "en"},
    )
    path = str(requested["consent_url"]).removeprefix(merchant.base_url)
    click.echo(f"   {requested['consent_url']}")
    click.echo("2. The customer opens the link, ticks a box, types the number, gets a code by SMS.")
    confirmation = consumer.open(
        path,
        csrf=_find(CSRF, consumer.open(path)),
        purposes=["marketing.promotions"],
        phone=PHONE,
        decision="grant",
    )
    text = _wait_for_sms(consumer, "code is")
    click.echo(f"   SMS: {text}")
    click.echo("3. The code completes the consent.")
    consumer.open(
        path,
        csrf=_find(CSRF, confirmation),
        notice=_find(NOTICE, confirmation),
        code=_find(OTP, text),
        decision="grant",
    )
    fetched = merchant.call(f"/v1/consent-requests/{requested['id']}/token", {})
    token = str(fetched["token"])
    click.echo(f"   The shop fetches its consent token ({len(token)} characters): {token[:48]}...")
    return token


def _demo_revocation(consumer: _Client, merchant: _Client, token: str) -> None:
    """Send under the token, revoke from the link in the SMS, and show the refusals."""
    click.echo("4. The shop sends, with the token in place of a number.")
    message = {"token": token, "purpose": "marketing.promotions", "text": "50 off 200, tonight"}
    sent = merchant.call("/v1/messages", message)
    click.echo(f"   {sent['status']}: {sent['id']}")
    text = _wait_for_sms(consumer, "50 off 200")
    click.echo(f"   SMS: {text}")
    click.echo("5. The customer opens the link in the SMS and revokes the consent.")
    link = _find(MESSAGE_LINK, text)
    revoked = consumer.open(link, csrf=_find(CSRF, consumer.open(link)), action="revoke")
    click.echo(f"   {_find(HEADING, revoked)}")
    click.echo("6. The shop tries again.")
    refused = merchant.call("/v1/messages", message)
    click.echo(f"   {refused['status']} {refused['code']}: {refused['detail']}")
    click.echo("7. The number in the token cannot be decrypted any more: its key is destroyed.")
    renewed = merchant.call("/v1/tokens/renew", {"token": token})
    click.echo(f"   renew: {renewed['status']} {renewed['code']}")
    active = merchant.call("/v1/tokens/introspect", {"token": token})["active"]
    click.echo(f"   introspect: active = {str(active).lower()}")


def _find(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    if match is None:
        raise click.ClickException(f"the demo failed: no {pattern.pattern} in the answer")
    return unescape(match[1])


def _wait_for_sms(consumer: _Client, phrase: str) -> str:
    """Return the newest text with this phrase, once it has arrived on the simulated phone."""
    clock = SystemClock()
    deadline = clock.monotonic() + SMS_SECONDS
    while clock.monotonic() < deadline:
        texts = [
            unescape(TAG.sub("", text)) for text in BUBBLE.findall(consumer.open("/demo/phones"))
        ]
        if found := [text for text in texts if phrase in text]:
            return found[-1]
        clock.sleep(POLL_SECONDS)
    raise click.ClickException("the demo failed: no SMS arrived")


@contextmanager
def _service() -> Iterator[tuple[str, str]]:
    """Run a service in a temporary folder; yield its base URL and the demo merchant's API key."""
    folder = Path(tempfile.mkdtemp(prefix="consent-demo-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {
        "CONSENT_DATABASE_URL": f"sqlite:///{folder}/consent.db",
        "CONSENT_KEYS_DIR": str(folder / "keys"),
        "CONSENT_GATEWAY_URL": "simulator:",
        "PATH": "/usr/bin:/bin",
    }
    output = folder / "serve.log"
    with output.open("w") as stderr:
        process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", "consent_tokens", "serve", "--bind", bind],
            env=environment,
            stderr=stderr,
        )
    try:
        _wait_until_ready(f"http://{bind}", process)
        yield f"http://{bind}", _find(API_KEY, output.read_text())
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _wait_until_ready(base_url: str, process: subprocess.Popen[bytes]) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + START_SECONDS
    client = _Client(base_url)
    while clock.monotonic() < deadline and process.poll() is None:
        with suppress(URLError):  # it does not listen yet
            if "true" in client.open("/readyz"):
                return
        clock.sleep(POLL_SECONDS)
    raise click.ClickException("the service did not start")
