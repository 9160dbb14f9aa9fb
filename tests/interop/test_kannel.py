"""Through a real Kannel: out by sendsms, reports by dlr-url, replies by get-url; and its SMSC."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, create_server
from typing import IO

import pytest

from consent_tokens.clock import SystemClock
from consent_tokens.errors import GatewayUnreachableError, SettingError
from consent_tokens.gateways.base import (
    DeliveryReport,
    MobileOriginated,
    ReportedOutcome,
    UnreadableInbound,
    UnreadableReason,
)
from consent_tokens.gateways.kannel import KannelGateway, parse_callback
from consent_tokens.gateways.smpp import SmppGateway
from consent_tokens.relay.message import MessageStatus
from consent_tokens.services.submission.message_request import MessageRequest
from tests.conftest import need
from tests.faults.ledger import statuses_of
from tests.fixtures import accept_messages, admit_merchant, insert_grants
from tests.number_scan import NUMBERS, WRITTEN
from tests.processes import free_port
from tests.service import ALWAYS, ORDERS, PROMOTIONS, Service
from tests.smsc_servers import Carrier

pytestmark = pytest.mark.processes

SECRET = "only-kannel-knows-this"
DRIVE = Path("/usr/lib/kannel/test/drive_smpp")
CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = admin
smsbox-port = {boxes}
log-file = /dev/null
box-allow-ip = "127.0.0.1"

group = smsc
smsc = smpp
smsc-id = upstream
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = kannel
smsc-password = secret
system-type = ""
address-range = ""
alt-charset = "UTF-8"
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
log-file = /dev/null

group = sendsms-user
username = shop
password = "open sesame"
max-messages = 10
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "http://127.0.0.1:{listen}/{secret}/inbound?from=%p&to=%P&text=%b&coding=%c"
"""


@dataclass
class Kannel:
    sendsms: int
    listen: int
    log: Path

    @property
    def url(self) -> str:
        return (
            f"kannel+http://shop:open%20sesame@127.0.0.1:{self.sendsms}/cgi-bin/sendsms"
            f"?listen=127.0.0.1:{self.listen}&secret={SECRET}"
        )


@contextmanager
def box(program: str, *arguments: str) -> Iterator[None]:
    running = subprocess.Popen(
        [program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        running.terminate()
        running.wait(20)


def answers(port: int) -> None:
    """Wait until somebody listens: it is another's process, and says so nowhere."""
    tick = threading.Event()
    for _ in range(600):
        try:
            with closing(create_connection(("127.0.0.1", port), 1)):
                return
        except OSError:
            tick.wait(0.05)
    pytest.fail(f"nobody listens at {port}")


@pytest.fixture
def kannel(carrier: Carrier, tmp_path: Path) -> Iterator[Kannel]:
    need(is_there=bool(shutil.which("bearerbox") and shutil.which("smsbox")), what="Kannel")
    ports = {name: free_port() for name in ("admin", "boxes", "sendsms", "listen")}
    path = tmp_path / "kannel.conf"
    path.write_text(CONFIGURATION.format(smsc=carrier.port, secret=SECRET, **ports))
    with ExitStack() as stack:
        stack.enter_context(box("bearerbox", "-v", "4", str(path)))
        answers(ports["boxes"])
        stack.enter_context(box("smsbox", "-v", "4", str(path)))
        answers(ports["sendsms"])
        carrier.said(bound="bind_transceiver")
        yield Kannel(ports["sendsms"], ports["listen"], path)


def test_a_real_kannel_says_whether_it_knows_the_user(kannel: Kannel) -> None:
    right = f"kannel+http://shop:open%20sesame@127.0.0.1:{kannel.sendsms}/cgi-bin/sendsms"
    options = f"?listen=127.0.0.1:{kannel.listen}&secret={SECRET}"
    for url, said in (
        (f"{right}{options}", None),
        (f"{right.replace('sesame', 'wrong')}{options}", "refuses user or password"),
        (f"{right}/elsewhere{options}", "no sendsms at"),
        (f"{right.replace(str(kannel.sendsms), '1')}{options}", "refused"),
    ):
        with closing(KannelGateway.from_url(url, run="x")) as gateway:
            if said is None:
                assert "accepts the user" in gateway.probe()
            else:
                with pytest.raises(GatewayUnreachableError, match=said):
                    gateway.probe()


def test_the_whole_story_through_a_real_kannel(
    kannel: Kannel, carrier: Carrier, tmp_path: Path
) -> None:
    WRITTEN.append(tmp_path)
    service = Service.start(
        f"sqlite:///{tmp_path}/consent.db", tmp_path / "keys",
        gateway=KannelGateway.from_url(kannel.url, run="test"), clock=SystemClock(),
    )  # fmt: skip
    service.dispatcher.start()
    tick = threading.Event()
    try:
        shop, consumer = service.merchant(), service.consumer()
        asked = shop.ask(**ALWAYS)
        consumer.post(asked["path"], purposes=[PROMOTIONS], phone=consumer.number, decision="grant")
        code = carrier.wait(lambda line: "验证码" in line.get("text", ""))["text"]
        consumer.post(asked["path"], code=code.split("验证码 ")[1][:6], decision="grant")
        token = shop.token(asked)
        handle = shop.send(token, text="满 200 减 50" * 9).json["id"]
        first = carrier.wait(lambda line: "满 200 减 50" in line.get("text", ""))
        assert first["to"] == consumer.number.removeprefix("+")
        for _ in range(1000):
            if shop.get(f"/v1/messages/{handle}").json["status"] == "delivered":
                break
            tick.wait(0.02)
        assert shop.get(f"/v1/messages/{handle}").json["status"] == "delivered"
        joined = "".join(each["text"] for each in carrier.taken())
        assert "拒收请回复R" in joined
        number = consumer.number.removeprefix("+")
        carrier.write({"from": number, "to": first["from"], "text": "退订"})
        carrier.wait(lambda line: "已停止" in line.get("text", ""))
        assert shop.send(token).json["code"] == "consent_revoked"
    finally:
        service.dispatcher.stop()


def test_a_kannel_that_is_away_is_waited_for(tmp_path: Path) -> None:
    WRITTEN.append(tmp_path)
    url = (
        f"kannel+http://shop:x@127.0.0.1:{free_port()}/?listen=127.0.0.1:{free_port()}"
        f"&secret={SECRET}"
    )
    service = Service.start(
        f"sqlite:///{tmp_path}/consent.db", tmp_path / "keys",
        gateway=KannelGateway.from_url(url, run="test"), clock=SystemClock(),
    )  # fmt: skip
    service.dispatcher.start()
    shop, consumer = service.merchant(), service.consumer()
    asked = shop.ask(**ALWAYS)
    consumer.post(asked["path"], purposes=[PROMOTIONS], phone=consumer.number, decision="grant")
    assert not service.context.gateway.is_up
    service.dispatcher.stop()


@pytest.mark.parametrize(
    ("what", "query", "expected"),
    [
        (
            "report",
            "id=a-1&status=1",
            DeliveryReport("a-1", ReportedOutcome.DELIVERED, "DELIVRD"),
        ),
        (
            "report",
            "id=a-1&status=2",
            DeliveryReport("a-1", ReportedOutcome.UNDELIVERABLE, "UNDELIV"),
        ),
        (
            "report",
            "id=a-1&status=16",
            DeliveryReport("a-1", ReportedOutcome.UNDELIVERABLE, "REJECTD"),
        ),
        ("report", "id=a-1&status=8", None),
        ("report", "id=a-1&status=x", None),
        ("report", "status=1", None),
        ("inbound", "from=+{0}&to=1069&text=TD&coding=0", "TD"),
        ("inbound", "from={0}&to=1069&text=%90%00%8b%a2&coding=2", "退订"),
        ("inbound", "from={0}&to=1069&text=%E9%80%80%E8%AE%A2&coding=0", "退订"),
        ("inbound", "from={0}&to=1069&text=%CD%CB%B6%A9&coding=1", "退订"),
        ("inbound", "from=%200139-1234-0917&to=1069&text=TD&coding=0", "TD"),
        ("inbound", "from=SHOP&to=1069&text=TD", UnreadableInbound(UnreadableReason.NUMBER)),
        ("inbound", "", None),
        ("other", "id=a-1&status=1", None),
    ],
)
def test_what_kannel_says_is_read(what: str, query: str, expected: object) -> None:
    digits = NUMBERS[0].removeprefix("+")
    heard = parse_callback(what, query.format(digits).replace("+86", "%2B86"))
    assert (heard.text if isinstance(heard, MobileOriginated) else heard) == expected


@pytest.mark.parametrize(
    "options",
    ["", "listen=127.0.0.1:1", "listen=127.0.0.1:1&secret=short", "listen=x&secret=" + SECRET],
)
def test_a_callback_address_without_a_secret_is_refused(options: str) -> None:
    with pytest.raises(SettingError, match="CONSENT_GATEWAY_URL"):
        KannelGateway.from_url(f"kannel+http://shop:x@host/?{options}", run="x")


def test_the_smsc_that_comes_with_kannel_takes_what_we_send(tmp_path: Path) -> None:
    """`drive_smpp`, which tests Kannel's own SMPP driver, takes our messages as well."""
    need(is_there=DRIVE.exists(), what="kannel-extras")
    WRITTEN.append(tmp_path)
    count, port = 40, free_port()
    log = tmp_path / "drive.log"
    # it also plays Kannel's smsbox, at a port of its own choice, and wants somebody to be there
    with closing(create_server(("127.0.0.1", 13001))), closing(_drive(port, count, log)):
        service = Service.start(
            f"sqlite:///{tmp_path}/consent.db", tmp_path / "keys",
            gateway=SmppGateway(f"smpp://foo:bar@127.0.0.1:{port}?bind=pair"),
            clock=SystemClock(),
        )  # fmt: skip
        service.dispatcher.start()
        try:
            merchant_id = admit_merchant(service.runtime)
            drafts = [
                MessageRequest(token=token, purpose=ORDERS, text=f"n{place}")
                for place, token in enumerate(insert_grants(service.runtime, merchant_id, count))
            ]
            named = {
                handle: handle for handle in accept_messages(service.context, merchant_id, drafts)
            }
            tick = threading.Event()
            for _ in range(1000):
                if set(statuses_of(service.runtime, named).values()) == {MessageStatus.SENT}:
                    break
                tick.wait(0.02)
            assert set(statuses_of(service.runtime, named).values()) == {MessageStatus.SENT}
        finally:
            service.dispatcher.stop()
    assert f"sent to SMSC: {count}" in log.read_text("latin-1")
    log.unlink()  # it dumps each submission


def _drive(port: int, count: int, log: Path) -> "_Closing":
    out = log.open("w")
    arguments = [str(DRIVE), "-p", str(port), "-m", str(count), "-v", "0"]
    return _Closing(subprocess.Popen(arguments, stdout=out, stderr=subprocess.STDOUT), out)


@dataclass
class _Closing:
    """A program that ends by itself once its client is gone, and what it says."""

    running: "subprocess.Popen[bytes]"
    out: IO[str]

    def close(self) -> None:
        self.running.wait(20)
        self.out.close()
