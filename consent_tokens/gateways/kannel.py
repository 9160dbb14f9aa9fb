"""Gateway for Kannel: submits by smsbox's sendsms, receives by its dlr-url and get-url.

    kannel+http://user:password@smsbox:13013/cgi-bin/sendsms?listen=127.0.0.1:13020&secret=...

`listen` is where this process receives callbacks of Kannel: delivery reports, and inbound messages
if Kannel's configuration has, for its sms-service,

    get-url = "http://127.0.0.1:13020/SECRET/inbound?from=%p&to=%P&text=%b&coding=%c"

Both are authenticated by the secret in the path only, so let nobody but Kannel reach that port.
Kannel's own access log contains phone numbers: the operator has to turn it off.
"""

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Final, Self
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlsplit

import httpx
import structlog

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.errors import GatewayUnreachableError, SettingError
from consent_tokens.gateways.base import (
    DeliveryReport,
    Faulty,
    InboundEvent,
    MobileOriginated,
    Rejected,
    ReportedOutcome,
    Sessions,
    Submission,
    SubmitOutcome,
    SubmitResult,
    Submitted,
    Throttled,
    Uncertain,
    UnreadableInbound,
    UnreadableReason,
    Unsent,
)
from consent_tokens.gateways.inbound_text import TextPart, read_text
from consent_tokens.gateways.regions import DEFAULT_REGION, parse_region
from consent_tokens.relay.composition import Coding, decode_octets

log = structlog.get_logger()

SETTING: Final = "CONSENT_GATEWAY_URL"
PATH: Final = "/cgi-bin/sendsms"
MAX_CONCURRENT_REQUESTS: Final = 16  # submissions in flight
RESPONSE_TIMEOUT_SECONDS: Final = 10.0
RECONNECT_SECONDS: Final = 1.0  # between attempts to reach smsbox again
MAX_QUEUED_EVENTS: Final = 100_000  # not yet polled; the oldest are dropped
MIN_SECRET_LENGTH: Final = 16  # characters
# dlr-mask: 1 delivered, 2 not delivered, 16 rejected by the SMSC (userguide, "Delivery Reports")
DELIVERED, FAILED, REJECTED = 1, 2, 16
DLR_MASK: Final = DELIVERED | FAILED | REJECTED
REPORTED: Final = {
    DELIVERED: (ReportedOutcome.DELIVERED, "DELIVRD"),
    FAILED: (ReportedOutcome.UNDELIVERABLE, "UNDELIV"),
    REJECTED: (ReportedOutcome.UNDELIVERABLE, "REJECTD"),
}
GSM7, UCS2 = "0", "2"  # coding
# Kannel's coding of an inbound text as data_coding: what is not UCS-2 it passes on as UTF-8 (ASCII)
# or as the octets that it got
DATA_CODINGS: Final = {b"0": 1, b"1": 4, b"2": 8}
UNSTATED: Final = 4  # octets, read by what they look like
LISTEN = re.compile(r"(?P<host>[\w.]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
SECRET = re.compile(r"[A-Za-z0-9_-]+")


class KannelGateway:
    """The gateway to one smsbox, and the HTTP server for its callbacks."""

    def __init__(
        self,
        url: str,
        *,
        user: str,
        password: str,
        run: str,
        default_region: str = DEFAULT_REGION,
    ) -> None:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        self._region = parse_region(options.get("region", default_region))
        listen, self._secret = (
            LISTEN.fullmatch(options.get("listen", "")),
            options.get("secret", ""),
        )
        if (
            listen is None
            or len(self._secret) < MIN_SECRET_LENGTH
            or not SECRET.fullmatch(self._secret)
        ):
            raise SettingError(
                f"{SETTING} needs ?listen=127.0.0.1:13020&secret=... ({MIN_SECRET_LENGTH} or more "
                "of A-Z, a-z, 0-9, _ and -)"
            )
        self._callback_address = (listen["host"].strip("[]"), int(listen["port"]))
        self._callback_url = f"http://{listen[0]}/{self._secret}"
        self._run, self._count = run, count(1)
        self._events: deque[InboundEvent] = deque(maxlen=MAX_QUEUED_EVENTS)
        self._on_event: Callable[[], None] = lambda: None
        self._is_up = False
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS, thread_name_prefix="kannel")
        self._client = httpx.Client(
            base_url=f"{parts.scheme.removeprefix('kannel+')}://{parts.netloc.rpartition('@')[2]}",
            timeout=RESPONSE_TIMEOUT_SECONDS,
            trust_env=False,
            limits=httpx.Limits(max_connections=MAX_CONCURRENT_REQUESTS),
            headers={"X-Kannel-Username": user, "X-Kannel-Password": password},
        )
        self._path = parts.path if parts.path.strip("/") else PATH
        self._callback_server: ThreadingHTTPServer | None = None
        self._threads: list[threading.Thread] = []

    @classmethod
    def from_url(cls, url: str, *, run: str, default_region: str = DEFAULT_REGION) -> Self:
        """Return the gateway of a URL; its message ids begin with `run`. Raises SettingError."""
        parts = urlsplit(url)
        return cls(
            url,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            run=run,
            default_region=default_region,
        )

    @property
    def name(self) -> str:
        """Return the kind of gateway, for logs and metrics."""
        return "kannel"

    @property
    def is_up(self) -> bool:
        """Whether smsbox answered the last request."""
        return self._is_up

    @property
    def sessions(self) -> Sessions:
        """Return the one connection to smsbox."""
        return Sessions(1, 1) if self._is_up else Sessions(0, 1, "unreachable")

    def open(self, on_event: Callable[[], None], inherited_fds: Sequence[int] = ()) -> None:
        """Start the callback server, and try to reach smsbox. There are no child processes."""
        del inherited_fds
        self._on_event = on_event
        self._callback_server = ThreadingHTTPServer(
            self._callback_address, _callback_handler(self._receive, self._secret, self._region)
        )
        self._threads = [
            threading.Thread(
                target=self._callback_server.serve_forever, name="kannel-callbacks", daemon=True
            ),
            threading.Thread(target=self._wait_for_smsbox, name="kannel-probe", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        """Submit in parallel, MAX_CONCURRENT_REQUESTS at a time."""
        for begin in range(0, len(submissions), MAX_CONCURRENT_REQUESTS):
            outcomes = self._pool.map(
                self._submit, submissions[begin : begin + MAX_CONCURRENT_REQUESTS]
            )
            yield list(enumerate(outcomes, start=begin))

    def poll(self) -> list[InboundEvent]:
        """Return the reports and inbound messages since the last call."""
        events: list[InboundEvent] = []
        while self._events:
            events.append(self._events.popleft())
        return events

    def close(self) -> None:
        """Stop the callback server and the connections."""
        self._stop.set()
        if self._callback_server:
            self._callback_server.shutdown()
            self._callback_server.server_close()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown()
        self._client.close()

    def probe(self) -> str:
        """Ask smsbox to send nothing to nobody; return what it says of the user.

        Raises GatewayUnreachableError. smsbox checks the user before it misses the receiver.
        """
        where = f"smsbox at {self._client.base_url}"
        try:
            status = self._client.post(self._path, content=b"").status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise GatewayUnreachableError(
                f"{where}: {str(error) or type(error).__name__}"
            ) from error
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise GatewayUnreachableError(f"{where} refuses user or password ({status})")
        if status != HTTPStatus.BAD_REQUEST:
            raise GatewayUnreachableError(f"{where} has no sendsms at {self._path} ({status})")
        return f"{where} accepts the user"

    def _wait_for_smsbox(self) -> None:
        """Request a page of smsbox while it is down; any response means that it is up again."""
        while not self._stop.is_set():
            if not self._is_up:
                with suppress(httpx.TransportError):
                    self._client.get("/")
                    log.info("gateway_bound", gateway="kannel")
                    self._is_up = True
                    self._on_event()
            self._stop.wait(RECONNECT_SECONDS)

    def _submit(self, submission: Submission) -> SubmitOutcome:
        """Submit one message; Kannel splits it into segments itself."""
        if not self._is_up or submission.deadline.is_past:
            return Unsent()
        gateway_id = f"{self._run}-{next(self._count)}"
        is_ucs2 = submission.composed.coding is Coding.UCS2
        text = b"".join(submission.composed.segments)
        headers = {
            "X-Kannel-From": submission.source,
            "X-Kannel-To": submission.number.reveal(),
            "X-Kannel-Coding": UCS2 if is_ucs2 else GSM7,
            "X-Kannel-DLR-Mask": str(DLR_MASK),
            "X-Kannel-DLR-Url": f"{self._callback_url}/report?id={quote(gateway_id)}&status=%d",
            "Content-Type": "application/octet-stream" if is_ucs2 else "text/plain; charset=UTF-8",
        }
        body = text if is_ucs2 else decode_octets(text, Coding.GSM7).encode()
        try:
            response = self._client.post(self._path, headers=headers, content=body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            self._is_up = False
            log.warning("gateway_away", gateway="kannel")
            return Unsent()
        except httpx.TransportError:
            self._is_up = False
            return Uncertain()
        except (ValueError, TypeError) as error:
            return Faulty(type(error).__name__)
        return _outcome(response.status_code, gateway_id)

    def _receive(self, event: InboundEvent) -> None:
        self._events.append(event)
        self._on_event()


def _outcome(status: int, gateway_id: str) -> SubmitOutcome:
    """Return the outcome by HTTP status (userguide, "GET method for the sendsms script")."""
    if status in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        return Submitted(gateway_id)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Throttled()  # "temporal failure, try again later"
    return Rejected(f"kannel_{status}")


def _callback_handler(
    on_event: Callable[[InboundEvent], None], secret: str, region: str
) -> type[BaseHTTPRequestHandler]:
    """Return the handler of Kannel's callbacks. What it cannot parse it answers with 404."""

    class CallbackHandler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            given_secret, _, kind = parts.path.lstrip("/").partition("/")
            event = None
            if compare_digest(given_secret.encode(), secret.encode()):
                event = parse_callback(kind, parts.query, region)
            if event:
                on_event(event)
            self.send_response(HTTPStatus.OK if event else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            """Log nothing: the path holds the secret, and phone numbers."""

    return CallbackHandler


def parse_callback(kind: str, query: str, region: str = DEFAULT_REGION) -> InboundEvent | None:
    """Return the event of a callback, `report` or `inbound`; None if it is not one of Kannel's."""
    parameters = {
        name: values[0].encode("latin-1")  # the octets; their coding is a parameter, too
        for name, values in parse_qs(query, keep_blank_values=True, encoding="latin-1").items()
    }
    if kind == "report":
        return _parse_report(parameters)
    if kind == "inbound" and "from" in parameters:
        return _parse_inbound(parameters, region)
    return None


def _parse_report(parameters: dict[str, bytes]) -> DeliveryReport | None:
    status = parameters.get("status", b"")
    if not status.isdigit() or "id" not in parameters:
        return None
    gateway_id = parameters["id"].decode("ascii", "replace")
    outcome, status_text = REPORTED.get(int(status), (None, ""))
    return DeliveryReport(gateway_id, outcome, status_text) if outcome else None


def _parse_inbound(
    parameters: dict[str, bytes], region: str
) -> MobileOriginated | UnreadableInbound:
    try:
        number = PhoneNumber.from_carrier(
            parameters["from"].decode("ascii", "replace").strip(), region
        )
    except ValueError:
        return UnreadableInbound(UnreadableReason.NUMBER)
    data_coding = DATA_CODINGS.get(parameters.get("coding", b"").strip(), UNSTATED)
    readings = read_text([TextPart(parameters.get("text", b""))], data_coding)
    if not readings.is_readable:
        return UnreadableInbound(UnreadableReason.TEXT)
    return MobileOriginated(
        number=number,
        source=parameters.get("to", b"").decode("ascii", "replace").strip(),
        text=readings.text,
        alternatives=readings.alternatives,
    )
