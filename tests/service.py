"""The whole service in one process: the real app, database, dispatcher and simulator.

Time stands still unless a test gives a `SystemClock`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from html import unescape
from http import HTTPStatus
from importlib.resources import files
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Self

import jwt
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import generate_latest
from werkzeug.test import TestResponse

from consent_tokens.app_context import DEFAULTS, AppContext
from consent_tokens.clock import Clock, ManualClock
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.crypto.key_source import KeySource
from consent_tokens.gateways.base import Gateway
from consent_tokens.gateways.simulator import Simulator
from consent_tokens.gateways.webhook_client import WebhookClient
from consent_tokens.policies import OtpPolicy
from consent_tokens.randomness import SystemRandomSource
from consent_tokens.relay.admission.registration import check_character
from consent_tokens.revocation_journal import RevocationJournal
from consent_tokens.row_key import RowKey
from consent_tokens.rules.pack import rule_set
from consent_tokens.rules_source import RulesSource
from consent_tokens.services.admission import template_reviews
from consent_tokens.services.admission.actors import Actor
from consent_tokens.services.admission.application_form import ApplicationForm
from consent_tokens.services.admission.applications import apply, approve
from consent_tokens.services.admission.senders import add_sender
from consent_tokens.services.merchants import add_merchant
from consent_tokens.services.metrics_collector import metrics_registry
from consent_tokens.services.runtime import Runtime
from consent_tokens.settings import parse_otp_rate_limits
from consent_tokens.store.merchants import list_all
from consent_tokens.store.operators import Role
from consent_tokens.web import create_app
from consent_tokens.workers.dispatcher import Dispatcher
from tests.compiled import TEMPLATES
from tests.databases import open_database, upgrade
from tests.number_scan import NUMBERS
from tests.page_client import PageClient

REVIEWER = Actor("opr_reviewer", Role.REVIEWER)
BASE = "http://localhost"
NO_WAITS = (0,)  # between codes to one asker: time stands still in most tests
CSRF = re.compile(r'name="csrf" value="([^"]+)"')
NOTICE = re.compile(r'name="notice" value="([^"]+)"')
CODE = re.compile(r"(?:验证码|驗證碼|code is) (\d{6})")
LINK = re.compile(r"/m/([A-Za-z0-9]{11})\b")
GRANT = re.compile(r'name="grant" value="([^"]+)"')
# most tests are not about rules: those of demonstrations bind everybody in them
DEMO_RULES = (files("consent_tokens.rules") / "packs" / "demo.toml").read_text("utf-8")
WIDE_RULES = rule_set(
    {
        "demo.toml": DEMO_RULES,
        "cn.toml": DEMO_RULES.replace('"demo', '"cn').replace("regions = []", 'regions = ["*"]'),
    }
)
PROMOTIONS, ORDERS = "marketing.promotions", "orders.updates"
PORT = "10690001"
MANY_MERCHANTS = 9  # from here on extensions have more digits, and begin with none of one digit
ADMIN = Actor("opr_admin", Role.ADMIN)
SECOND_ADMIN = Actor("opr_second", Role.ADMIN)
ALWAYS = {"from": "00:00", "to": "24:00"}

Page = TestResponse


def extension_of(number: int) -> str:
    """Return the extension of the n-th merchant; none is the beginning of another."""
    return str(number) if number < MANY_MERCHANTS else f"9{number:03}"


def registration_of(number: int) -> str:
    """Return a unified social credit code of a company that does not exist."""
    code = f"91310115MA1K{number:05}"
    return code + check_character(code)


def application(
    name: str = "晨光书店",
    *,
    number: int = 1,
    classes: Iterable[PurposeClass] = PurposeClass,
    **form: Any,  # noqa: ANN401 - other fields of ApplicationForm
) -> ApplicationForm:
    """Return the application of the n-th company."""
    members: dict[str, Any] = {
        "name": name,
        "legal_name": f"{name}有限公司",
        "registration": registration_of(number),
        "contact": f"400 {number:03} 0000",
        "classes": frozenset(classes),
    }
    return ApplicationForm(**members | form)


def found(pattern: re.Pattern[str], text: str) -> str:
    """Return the first group of a match; fail, showing the text, if there is none."""
    match = pattern.search(text)
    assert match, f"no {pattern.pattern} in {text[:2000]}"
    return unescape(match[1])


def make_context(
    database_url: str,
    keys: Path,
    *,
    clock: Clock,
    gateway: Gateway | None = None,
    base_url: str = BASE,
    webhook_client: WebhookClient | None = None,
) -> AppContext:
    """Return a context with default policies, whose revocation journal is beside the keys."""
    random = SystemRandomSource()
    key_source = KeySource.open(keys, random.token_bytes, clock)
    return AppContext(
        runtime=Runtime(
            service=replace(DEFAULTS.service, base_url=base_url, issuer=base_url),
            clock=clock,
            random=random,
            keys=key_source,
            database=open_database(database_url),
            revocation_journal=RevocationJournal(
                keys / "revocations.journal", key_source.keyring.journal.kid
            ),
            rules=RulesSource(WIDE_RULES),
        ),
        gateway=gateway or Simulator(run=random.token_bytes(4).hex()),
        webhook_client=webhook_client or WebhookClient(),
        otp=replace(DEFAULTS.otp, waits=NO_WAITS),
    )


def otp_policy(rate_limits: str, waits: tuple[int, ...] = NO_WAITS) -> OtpPolicy:
    """Return the default policy for one-time codes, with other rate limits."""
    limits = parse_otp_rate_limits(rate_limits, "rate_limits")
    return replace(DEFAULTS.otp, rate_limits=limits, waits=waits)


WIDE = otp_policy("number=1000/hour;client_ip=1000/hour;total=100000/hour")


@dataclass
class Consumer:
    """A person with a phone and a browser."""

    service: "Service"
    number: str
    browser: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.browser = self.service.app.test_client()

    def get(self, path: str) -> Page:
        return self.browser.get(path)

    def post(self, path: str, shown: str | None = None, **form: object) -> Page:
        """Submit the form of a page: the one at `path`, unless it was `shown` before."""
        page = shown if shown is not None else self.get(path).text
        hidden = {"csrf": found(CSRF, page)}
        if match := NOTICE.search(page):
            hidden["notice"] = match[1]
        return self.browser.post(path, data=hidden | form)

    def texts(self) -> list[str]:
        """Return what the phone shows, the oldest first."""
        return self.service.texts(self.number)

    def code(self) -> str:
        """Return the newest code that arrived."""
        self.service.work()
        return [match[1] for text in self.texts() if (match := CODE.search(text))][-1]

    def agree(self, path: str, *purposes: str) -> Page:
        """Consent: tick purposes, enter the number, enter the code."""
        self.post(path, purposes=list(purposes), phone=self.number, decision="grant")
        answer = self.post(path, code=self.code(), decision="grant")
        assert answer.status_code == 303, answer.text
        return self.get(path)

    def log_in(self) -> Page:
        """Open /my and verify the number."""
        self.post("/my", phone=self.number)
        self.post("/my", code=self.code())
        return self.get("/my")


@dataclass
class Merchant:
    """A merchant's program, with its API key."""

    service: "Service"
    id: str
    api_key: str

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Page:
        return self.service.app.test_client().open(
            path,
            method=method,
            json=body,
            headers={"Authorization": f"Bearer {self.api_key}", **(headers or {})},
        )

    def get(self, path: str) -> Page:
        return self.call("GET", path)

    def post(self, path: str, body: object = None, **headers: str) -> Page:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", path, {} if body is None else body, named)

    def ask(self, *purposes: str, **more: object) -> dict[str, Any]:
        asked = self.post("/v1/consent-requests", {"purposes": purposes or [PROMOTIONS], **more})
        assert asked.status_code == 201, asked.text
        body: dict[str, Any] = asked.get_json()
        body["path"] = body["consent_url"].removeprefix(self.service.base)
        return body

    def token(self, request: Mapping[str, Any]) -> str:
        fetched = self.post(f"/v1/consent-requests/{request['id']}/token")
        assert fetched.status_code == 200, fetched.text
        token: str = fetched.json["token"]
        return token

    def send(
        self, token: str, purpose: str = PROMOTIONS, text: str = "你好", **more: object
    ) -> Page:
        return self.post("/v1/messages", {"token": token, "purpose": purpose, "text": text, **more})


@dataclass
class SignedIn:
    """A consumer who agreed to a merchant's texts, and acts under /my."""

    service: "Service"
    merchant: Merchant
    consumer: Consumer
    token: str

    @classmethod
    def with_consent(
        cls,
        service: "Service",
        *purposes: str,
        number: str = NUMBERS[0],
        **more: object,
    ) -> Self:
        """Have a consumer agree, to promotions and orders unless purposes are named."""
        service = service.with_context(otp=WIDE)
        merchant, consumer = service.merchant(), service.consumer(number)
        token = service.obtain_token(
            merchant, consumer, *(purposes or (PROMOTIONS, ORDERS)), **more
        )
        return cls(service, merchant, consumer, token)

    def in_service(self, service: "Service") -> Self:
        """Return the same people at another service, such as one restored from a backup."""
        return replace(
            self,
            service=service,
            merchant=Merchant(service, self.merchant.id, self.merchant.api_key),
            consumer=Consumer(service, self.consumer.number),
        )

    @property
    def grant(self) -> str:
        """Return the public id of the consent."""
        claims = jwt.decode(self.token, options={"verify_signature": False})
        return str(claims["jti"])

    def grant_key(self) -> RowKey:
        key = self.service.runtime.ids.grant.decode(self.grant)
        assert key
        return key

    def page(self, path: str) -> str:
        """Return a page under /my, and sign in before if needed."""
        answer = self.consumer.get(path)
        if answer.status_code == HTTPStatus.SEE_OTHER:
            self.consumer.log_in()
            answer = self.consumer.get(path)
        return answer.text

    def act(self, action: str, **form: object) -> Page:
        """Submit a form under /my that is about the consent."""
        page = self.page("/my/wishes")
        return self.consumer.post("/my", page, action=action, **{"grant": self.grant, **form})

    def code(self, purpose: str = PROMOTIONS) -> str:
        """Send a message; return the reason of the refusal, or its status."""
        answer = self.merchant.send(self.token, purpose)
        return str(answer.json.get("code") or answer.json["status"])


@dataclass
class Service:
    """The service under test, with its web app and a dispatcher that a test runs by hand."""

    context: AppContext
    app: Flask
    dispatcher: Dispatcher
    merchants: int = 0

    @classmethod
    def start(
        cls,
        database_url: str,
        keys: Path,
        *,
        clock: Clock | None = None,
        gateway: Gateway | None = None,
        base_url: str = BASE,
        issuer: str | None = None,
    ) -> "Service":
        """Open the database, upgrade its schema, and load or create the keys."""
        context = make_context(
            database_url,
            keys,
            clock=clock or ManualClock(),
            gateway=gateway,
            base_url=base_url,
            webhook_client=WebhookClient((ip_network("127.0.0.0/8"),)),
        )
        if issuer:
            identity = replace(context.runtime.service, issuer=issuer)
            context = replace(context, runtime=replace(context.runtime, service=identity))
        upgrade(context.runtime.database)
        return cls.from_context(context)

    @classmethod
    def from_context(cls, context: AppContext) -> "Service":
        app = create_app(context)
        app.jinja_env.bytecode_cache = TEMPLATES
        app.test_client_class = PageClient
        dispatcher = Dispatcher(context)
        dispatcher._maintained_at = context.runtime.clock.monotonic()  # not in each first round
        return cls(context, app, dispatcher)

    def with_context(self, **changes: Any) -> "Service":  # noqa: ANN401 - fields of AppContext
        """Return a service on the same database with other policies, gateway or client."""
        return Service.from_context(replace(self.context, **changes))

    def with_runtime(self, **changes: Any) -> "Service":  # noqa: ANN401 - fields of Runtime
        """Return the same service with another clock, database, journal or keyring."""
        return self.with_context(runtime=replace(self.runtime, **changes))

    @property
    def runtime(self) -> Runtime:
        return self.context.runtime

    @property
    def base(self) -> str:
        return self.runtime.service.base_url

    @property
    def clock(self) -> ManualClock:
        assert isinstance(self.runtime.clock, ManualClock)
        return self.runtime.clock

    @property
    def simulator(self) -> Simulator:
        assert self.context.simulator
        return self.context.simulator

    def merchant(self, name: str = "晨光书店", *, sends: bool = True) -> Merchant:
        """Add a demonstration, with a sender of its own unless it sends nothing.

        Where a demonstration may not send, it is a legal entity of that name instead.
        """
        if not self.runtime.service.is_loopback:
            return self.legal_merchant(f"{name}{self.merchants or ''}", sends=sends)
        # also of those that another service on this database has added
        self.merchants = max(self.merchants, len(self.runtime.database.read(list_all))) + 1
        admitted = add_merchant(self.runtime, name)
        if sends:
            add_sender(
                self.runtime,
                admitted.merchant.id,
                port=PORT,
                extension=extension_of(self.merchants),
                signature=name,
            )
        return Merchant(self, admitted.merchant.id, admitted.api_key)

    def legal_merchant(
        self,
        name: str = "晨光书店",
        classes: Iterable[PurposeClass] = PurposeClass,
        *,
        sends: bool = True,
        **form: Any,  # noqa: ANN401 - other fields of ApplicationForm
    ) -> Merchant:
        """Have a company apply and admit it, with a sender of its own unless it sends nothing."""
        self.merchants += 1
        applied = apply(
            self.runtime, application(name, number=self.merchants, classes=classes, **form)
        )
        admitted = approve(self.runtime, REVIEWER, applied.id, checked_by="Harbour Platform")
        if sends:
            add_sender(
                self.runtime,
                applied.id,
                port=PORT,
                extension=extension_of(self.merchants),
                signature=name,
                actor=REVIEWER,
            )
        return Merchant(self, applied.id, admitted.api_key)

    def template(
        self, merchant: Merchant, purpose: str, text: str, **more: object
    ) -> dict[str, Any]:
        """Submit a template and approve it; return it as it was submitted."""
        submitted = merchant.post("/v1/templates", {"purpose": purpose, "text": text, **more})
        assert submitted.status_code == 201, submitted.text
        found: dict[str, Any] = submitted.get_json()
        template_reviews.approve(self.runtime, REVIEWER, found["id"])
        return found

    def metric(self, sample: str) -> float:
        """Return the value of a sample, such as `total{reason="x"}`; 0 if nothing was counted."""
        lines = self.metrics().splitlines()
        return next((float(each.split()[-1]) for each in lines if each.startswith(f"{sample} ")), 0)

    def consumer(self, number: str = NUMBERS[0]) -> Consumer:
        return Consumer(self, number)

    def obtain_token(
        self,
        merchant: Merchant,
        consumer: Consumer,
        *purposes: str,
        **more: object,
    ) -> str:
        """Request consent, grant it, and return the fetched token."""
        request = merchant.ask(*purposes, **{**ALWAYS, **more})
        consumer.agree(request["path"], *(purposes or [PROMOTIONS]))
        return merchant.token(request)

    def work(self) -> None:
        """Run the dispatcher until nothing more is due."""
        while self.dispatcher.round():
            pass

    def maintain(self) -> None:
        """Work, and maintain first, as a dispatcher does in its first round and every minute."""
        self.dispatcher._maintained_at = float("-inf")
        self.work()

    def texts(self, number: str) -> list[str]:
        """Return the texts that a phone received, the oldest first."""
        phones = {phone.reveal(): texts for phone, texts in self.simulator.phones()}
        return [text.text for text in phones.get(number, []) if not text.is_mine]

    def reply(self, number: str, source: str, text: str) -> None:
        """Have a phone reply to a sender, and have the service handle it."""
        self.simulator.reply(PhoneNumber.parse(number), source, text)
        self.work()

    def metrics(self) -> str:
        """Return what a process with web and dispatcher publishes for Prometheus."""
        return generate_latest(metrics_registry(self.runtime, self.context.gateway)).decode()

    def close(self) -> None:
        self.context.close()
