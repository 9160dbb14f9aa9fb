"""`demo`: run a consent and an admission in the terminal, against a real service.

The consent goes from request to revocation; then an advert under the purpose of orders is refused.
"""

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
OTHER_PHONE: Final = "+8613800138001"
PROMOTIONS, ORDERS = "marketing.promotions", "orders.updates"
ADVERT: Final = "双11返场！全场5折"
COMPANY: Final = (
    *("--name", "海风书店", "--legal-name", "海风图书贸易有限公司"),
    *("--registration", "91310115MA1K000016", "--contact", "400 000 0000"),
    *("--class", "transactional", "--use", "订单和物流通知"),
)
VALUES: Final = {"order": "DD20261111001", "date": "11月12日"}
START_SECONDS: Final = 60.0
SMS_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.1
CSRF = re.compile(r'name="csrf" value="([^"]+)"')
NOTICE = re.compile(r'name="notice" value="([^"]+)"')
API_KEY = re.compile(r"(ctk_\S+)")
OTP = re.compile(r"(\d{6})")
MESSAGE_LINK = re.compile(r"(/m/[A-Za-z0-9]{11})\b")
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
            request = Request(self.base_url + path, data, {"Accept-Language": "en"})  # noqa: S310 - the demo's own service
            with self.opener.open(request) as response:
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


@dataclass(frozen=True, slots=True)
class _Service:
    """The demo's service, and the environment that its commands run in."""

    base_url: str
    api_key: str  # of the demo merchant
    environment: Mapping[str, str]

    def operate(self, *arguments: str) -> dict[str, Any]:
        """Run a command of the operator; return what it prints as JSON."""
        click.echo(f"   $ consent-tokens {arguments[0]} {arguments[1]}")
        done = subprocess.run(  # noqa: S603 - this very program
            [sys.executable, "-m", "consent_tokens", *arguments, "--json"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise click.ClickException(f"the demo failed: {done.stderr.strip()}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@click.command()
def demo() -> None:
    """Run the whole flow: request, grant, send, revoke; an advert that poses as an order."""
    with _service() as service:
        consumer = _Client(service.base_url)
        merchant = _Client(service.base_url, service.api_key)
        _demo_revocation(consumer, merchant, _demo_consent(consumer, merchant))
        _demo_admission(service)


def _demo_consent(consumer: _Client, merchant: _Client) -> str:
    """Request and grant consent; return the consent token."""
    click.echo("1. The shop requests a customer's consent. It does not know the number.")
    requested = _request_consent(merchant, PROMOTIONS)
    click.echo(f"   {requested['consent_url']}")
    click.echo("2. The customer opens the link, ticks a box, types the number, gets a code by SMS.")
    text = _grant(consumer, merchant, requested, PROMOTIONS, PHONE)
    click.echo(f"   SMS: {text}")
    click.echo("3. The code completes the consent.")
    token = _fetch_token(merchant, requested)
    click.echo(f"   The shop fetches its consent token ({len(token)} characters): {token[:48]}...")
    return token


def _request_consent(merchant: _Client, purpose: str) -> dict[str, Any]:
    terms = {"purposes": [purpose], "from": "00:00", "to": "24:00", "locale": "en"}
    return merchant.call("/v1/consent-requests", terms)


def _grant(
    consumer: _Client, merchant: _Client, requested: dict[str, Any], purpose: str, phone: str
) -> str:
    """Agree to a request with the code that arrives by SMS; return that SMS."""
    path = str(requested["consent_url"]).removeprefix(merchant.base_url)
    before = _texts(consumer)
    confirmation = consumer.open(
        path,
        csrf=_find(CSRF, consumer.open(path)),
        purposes=[purpose],
        phone=phone,
        decision="grant",
    )
    text = _wait_for_sms(consumer, "code is", before)
    consumer.open(
        path,
        csrf=_find(CSRF, confirmation),
        notice=_find(NOTICE, confirmation),
        code=_find(OTP, text),
        decision="grant",
    )
    return text


def _fetch_token(merchant: _Client, requested: dict[str, Any]) -> str:
    return str(merchant.call(f"/v1/consent-requests/{requested['id']}/token", {})["token"])


def _demo_revocation(consumer: _Client, merchant: _Client, token: str) -> None:
    """Send under the token, revoke from the link in the SMS, and show the refusals."""
    click.echo("4. The shop sends, with the token in place of a number.")
    message = {"token": token, "purpose": PROMOTIONS, "text": "50 off 200, tonight"}
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


def _demo_admission(service: _Service) -> None:
    """Admit a company with a sender and a template; show that its advert is no order."""
    click.echo("8. A real company applies. The operator admits it, for transactional texts only.")
    applied = service.operate("merchant", "apply", *COMPANY)
    admitted = service.operate("merchant", "approve", applied["id"])
    service.operate(
        *("sender", "add", applied["id"]),
        *("--port", "10690001", "--extension", "88", "--signature", "海风书店"),
    )
    company = _Client(service.base_url, admitted["api_key"])
    click.echo("9. It submits the template of its texts about orders; the operator approves it.")
    draft = {"purpose": ORDERS, "text": "您的订单{order}已发出，预计{date}送达"}
    template = company.call("/v1/templates", {**draft, "event_type": "order"})
    click.echo(f"   {draft['text']}")
    service.operate("template", "approve", template["id"])
    consumer = _Client(service.base_url)
    requested = _request_consent(company, ORDERS)
    _grant(consumer, company, requested, ORDERS, OTHER_PHONE)
    _demo_advert(consumer, company, _fetch_token(company, requested), template["id"])


def _demo_advert(consumer: _Client, company: _Client, token: str, template_id: str) -> None:
    """Send an advert as a text about an order, in two ways; then an order."""
    click.echo("10. A customer agreed to texts about orders. The company sends an advert as one.")
    message = {"token": token, "purpose": ORDERS}
    refused = company.call("/v1/messages", {**message, "text": ADVERT})
    click.echo(f"   {ADVERT}")
    click.echo(f"   {refused['status']} {refused['code']}: {refused['detail']}")
    click.echo("11. It tries again, with the advert as the date in its template.")
    filled = {
        **message,
        "template": template_id,
        "variables": VALUES,
        "event": {"type": "order", "id": VALUES["order"]},
    }
    refused = company.call("/v1/messages", {**filled, "variables": {**VALUES, "date": ADVERT}})
    click.echo(f"   {refused['status']} {refused['code']}: {refused.get('errors')}")
    click.echo("12. An order's number and date fit: the text is accepted.")
    sent = company.call("/v1/messages", filled)
    click.echo(f"   {sent['status']}: {sent.get('id') or sent['code']}")
    if sent["status"] == "deferred":
        click.echo(f"   By the rules it waits until morning: {sent['send_after']}")
    else:
        click.echo(f"   SMS: {_wait_for_sms(consumer, VALUES['order'])}")


def _find(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    if match is None:
        raise click.ClickException(f"the demo failed: no {pattern.pattern} in the answer")
    return unescape(match[1])


def _texts(consumer: _Client) -> list[str]:
    """Return the texts on the simulated phones."""
    page = consumer.open("/demo/phones")
    return [unescape(TAG.sub("", text)) for text in BUBBLE.findall(page)]


def _wait_for_sms(consumer: _Client, phrase: str, before: Collection[str] = ()) -> str:
    """Return the newest text with this phrase that was not there before, once it has arrived."""
    clock = SystemClock()
    deadline = clock.monotonic() + SMS_SECONDS
    while clock.monotonic() < deadline:
        if found := [text for text in _texts(consumer) if phrase in text and text not in before]:
            return found[-1]
        clock.sleep(POLL_SECONDS)
    raise click.ClickException("the demo failed: no SMS arrived")


@contextmanager
def _service() -> Iterator[_Service]:
    """Run a service in a temporary folder, and yield it once it is ready."""
    folder = Path(tempfile.mkdtemp(prefix="consent-demo-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {
        "CONSENT_DATABASE_URL": f"sqlite:///{folder}/consent.db",
        "CONSENT_KEYS_DIR": str(folder / "keys"),
        "CONSENT_GATEWAY_URL": "simulator:",
        "CONSENT_BASE_URL": f"http://{bind}",
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
        yield _Service(f"http://{bind}", _find(API_KEY, output.read_text()), environment)
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
