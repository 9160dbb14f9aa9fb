"""What carriers send, as reported in public (tests/cases), over a real SMPP session."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from consent_tokens.app_context import DEFAULTS
from consent_tokens.clock import SystemClock
from consent_tokens.gateways.smpp import SmppGateway
from consent_tokens.policies import OtpPolicy, RateLimit
from tests.number_scan import WRITTEN
from tests.plain_smsc import PlainSmsc, deliver_sm, plain_smsc
from tests.service import ALWAYS, CODE, ORDERS, PROMOTIONS, Merchant, Service, found, otp_policy

pytestmark = pytest.mark.processes

CASES = Path(__file__).parents[1] / "cases"
TLVS = {"receipted_message_id": 0x1E, "message_state": 0x0427}
MESSAGE_PAYLOAD = 0x0424
MANY_TEXTS = replace(
    DEFAULTS.relay, transactional_frequency_cap=RateLimit(10_000, timedelta(days=1))
)
MANY_CODES: OtpPolicy = otp_policy("number=100/hour;client_ip=10000/hour;total=10000/hour")


def cases(number: int) -> list[Any]:
    listed = json.loads((CASES / str(number) / "cases.json").read_text("utf-8"))
    return [pytest.param(each, id=each["name"]) for each in listed]


@dataclass
class Exchange:
    """A service at work with a dispatcher, its SMSC, and two merchants under one port."""

    service: Service
    smsc: PlainSmsc
    shop: Merchant = field(init=False)
    other: Merchant = field(init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _controls: Iterator[int] = field(default_factory=lambda: count(1))
    port: str = "10690001"

    def __post_init__(self) -> None:
        self.shop, self.other = self.service.merchant(), self.service.merchant("城南面馆")

    @property
    def source(self) -> str:
        return f"{self.port}1"

    def consent(self, number: str, shop: Merchant | None = None) -> str:
        """Return the token of a consent that a phone gives by code."""
        asked = (shop or self.shop).ask(PROMOTIONS, ORDERS, **ALWAYS)
        consumer = self.service.consumer(number)
        before = len(self.smsc.taken)
        answer = consumer.post(
            asked["path"], purposes=[PROMOTIONS, ORDERS], phone=number, decision="grant"
        )
        assert answer.status_code == 303, answer.text
        digits = number.removeprefix("+")

        def codes() -> list[str]:
            return [
                each.text
                for each in self.smsc.taken[before:]
                if each.destination == digits and CODE.search(each.text)
            ]

        self.smsc.wait(lambda: bool(codes()))
        code = found(CODE, codes()[-1])
        assert consumer.post(asked["path"], code=code, decision="grant").status_code == 303
        return (shop or self.shop).token(asked)

    def is_live(self, token: str, shop: Merchant | None = None) -> bool:
        answer = (shop or self.shop).post("/v1/tokens/introspect", {"token": token})
        return bool(answer.json["active"])

    def has_ended(self, token: str) -> bool:
        return not self.is_live(token)

    def deliver(
        self,
        source: str,
        octets: bytes,
        destination: str = "",
        *,
        tlvs: Sequence[tuple[int, bytes]] = (),
        **fields: int,
    ) -> bytes:
        number = next(self._numbers)
        return deliver_sm(number, source, destination or self.source, octets, tlvs=tlvs, **fields)

    def settle(self) -> None:
        """Wait until all that was delivered before has been handled: a STOP that comes last is."""
        number = f"+86139{next(self._controls):08d}"
        token = self.consent(number)
        self.smsc.write(self.deliver(number.removeprefix("+"), b"STOP"))
        until(lambda: not self.is_live(token))


def until(is_so: Callable[[], bool], what: str = "", seconds: float = 30) -> None:
    tick, end = threading.Event(), time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, what
        tick.wait(0.02)


def unmatched(reason: str) -> float:
    labels = {"reason": reason}
    return REGISTRY.get_sample_value("consent_inbound_unmatched_total", labels) or 0.0


@contextmanager
def exchange_with(options: str, folder: Path) -> Iterator[Exchange]:
    WRITTEN.append(folder)
    with plain_smsc() as smsc:
        service = Service.start(
            f"sqlite:///{folder}/consent.db", folder / "keys",
            gateway=SmppGateway(smsc.url + options), clock=SystemClock(),
        ).with_context(otp=MANY_CODES, relay=MANY_TEXTS)  # fmt: skip
        service.dispatcher.start()
        try:
            yield Exchange(service, smsc)
        finally:
            service.dispatcher.stop()


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with exchange_with("", tmp_path_factory.mktemp("exchange")) as made:
        yield made


@pytest.mark.parametrize("case", cases(20) + cases(21))
def test_a_stop_ends_the_consent_of_the_phone_that_sent_it(
    case: dict[str, Any], exchange: Exchange
) -> None:
    tokens = {number: exchange.consent(number) for number in case["consented"]}
    others = {
        number: exchange.consent(number, exchange.other)
        for number in case.get("consented_to_other", ())
    }
    before = unmatched(case.get("unmatched", ""))
    destination = case.get("destination_addr", "{source}").format(
        source=exchange.source, port=exchange.port
    )
    ton = case.get("source_addr_ton", 0)
    exchange.smsc.write(
        exchange.deliver(case["source_addr"], b"STOP", destination, source_addr_ton=ton)
    )
    for number in case["ended"]:
        until(partial(exchange.has_ended, tokens[number]))
    exchange.settle()
    for number in set(case["consented"]) - set(case["ended"]):
        assert exchange.is_live(tokens[number])
    assert all(exchange.is_live(token, exchange.other) for token in others.values())
    if "unmatched" in case:
        assert unmatched(case["unmatched"]) == before + 1


@pytest.mark.parametrize("case", cases(22))
def test_a_stop_is_read_in_the_codings_that_carriers_use(
    case: dict[str, Any], exchange: Exchange
) -> None:
    number = f"+86138{next(exchange._controls):08d}"
    token = exchange.consent(number)
    tlvs = [(MESSAGE_PAYLOAD, bytes.fromhex(case["payload"]))] if "payload" in case else []
    exchange.smsc.write(
        exchange.deliver(
            number.removeprefix("+"), bytes.fromhex(case["octets"]),
            data_coding=case["data_coding"], esm_class=case.get("esm_class", 0), tlvs=tlvs,
        )
    )  # fmt: skip
    until(lambda: not exchange.is_live(token))


@pytest.mark.parametrize(
    ("data_coding", "octets"),
    [
        (8, "59 7d".replace(" ", "")), (8, "4e00"), (8, "5fae535a"), (0, "54687820"), (8, "5220"),
        (8, "4e8689e3"), (8, "7b974e86"), (8, "4e00 4f1a".replace(" ", "")), (15, "ced2"),
        (15, "ced2c8a5"), (0, "ced2"), (15, "ced2c8a500"), (0, "a6b3"),
    ],
)  # fmt: skip
def test_an_ordinary_text_ends_nothing_in_any_reading(
    data_coding: int, octets: str, exchange: Exchange
) -> None:
    number = f"+86137{next(exchange._controls):08d}"
    token = exchange.consent(number)
    exchange.smsc.write(
        exchange.deliver(number.removeprefix("+"), bytes.fromhex(octets), data_coding=data_coding)
    )
    exchange.settle()
    assert exchange.is_live(token)


@pytest.mark.parametrize("coding", ["gb18030", "utf-8", "utf-16-be"])
def test_a_character_may_be_split_between_two_segments(coding: str, exchange: Exchange) -> None:
    number = f"+86136{next(exchange._controls):08d}"
    token = exchange.consent(number)
    octets = "请帮我退订".encode(coding)
    middle = len(octets) // 2 // 2 * 2 + 1
    header = bytes.fromhex("050003aa02")
    exchange.smsc.write(
        *(
            exchange.deliver(
                number.removeprefix("+"), header + bytes([part]) + half,
                data_coding=8 if coding == "utf-16-be" else 0, esm_class=0x40,
            )
            for part, half in ((2, octets[middle:]), (1, octets[:middle]))
        )
    )  # fmt: skip
    until(lambda: not exchange.is_live(token))


@pytest.mark.parametrize("case", cases(23))
def test_a_report_is_no_reply(case: dict[str, Any], exchange: Exchange) -> None:
    number = f"+86135{next(exchange._controls):08d}"
    token = exchange.consent(number)
    answered = len(exchange.smsc.taken)
    message_id = exchange.shop.send(token, ORDERS, f"sent to {number[-5:]}").json["id"]
    taken = exchange.smsc.submitted(f"sent to {number[-5:]}")
    until(lambda: status(exchange, message_id)["status"] == "sent")
    coding = case.get("data_coding", 0)
    text = case["text"].format(id=taken.id)
    tlvs = [
        (
            TLVS[name],
            bytes([value]) if isinstance(value, int) else value.format(id=taken.id).encode(),
        )
        for name, value in case.get("tlvs", {}).items()
    ]
    exchange.smsc.write(
        exchange.deliver(
            taken.destination, text.encode("utf-16-be" if coding == 8 else "latin-1"),
            data_coding=coding, esm_class=case.get("esm_class", 0), tlvs=tlvs,
        )
    )  # fmt: skip
    until(lambda: status(exchange, message_id)["status"] == case["status"])
    exchange.settle()
    assert status(exchange, message_id)["status"] == case["status"]
    assert exchange.is_live(token)
    answers = [
        each for each in exchange.smsc.taken[answered:]
        if each.destination == taken.destination and "sent to" not in each.text
    ]  # fmt: skip
    assert not [each for each in answers if not CODE.search(each.text)], "a report was answered"


def status(exchange: Exchange, message_id: str) -> dict[str, Any]:
    found_message: dict[str, Any] = exchange.shop.get(f"/v1/messages/{message_id}").get_json()
    return found_message


OPTIONS = sorted(
    {each.get("options", "") for number in (24, 25, 26)
     for each in json.loads((CASES / str(number) / "cases.json").read_text("utf-8"))}
)  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
def test_a_report_says_what_became_of_its_message(options: str, tmp_path: Path) -> None:
    listed = [param.values[0] for number in (24, 25, 26) for param in cases(number)]
    chosen = [each for each in listed if each.get("options", "") == options]
    with exchange_with(options, tmp_path) as exchange:
        token = exchange.consent("+8613912345699")
        sent: list[tuple[dict[str, Any], str]] = []
        for place, case in enumerate(chosen):
            before = len(exchange.smsc.taken)
            exchange.smsc.ids += case["ids"]
            text = f"message {place} " + "长" * (67 * (len(case["ids"]) - 1))
            message_id = exchange.shop.send(token, ORDERS, text).json["id"]
            exchange.smsc.wait(
                lambda: len(exchange.smsc.taken) >= before + len(case["ids"])  # noqa: B023 - at once
            )
            until(lambda: status(exchange, message_id)["status"] == "sent")  # noqa: B023 - at once
            sent.append((case, message_id))
        for case, _ in sent:
            coding = case.get("data_coding", 0)
            exchange.smsc.write(
                *(
                    exchange.deliver(
                        "8613912345699", text.encode("utf-16-be" if coding else "latin-1"),
                        data_coding=coding, esm_class=4,
                    )
                    for text in case["reports"]
                )
            )  # fmt: skip
        for case, message_id in sent:
            until(
                lambda: status(exchange, message_id)["status"] == case["status"],  # noqa: B023 - at once
                case["name"],
            )
        exchange.settle()
        for case, message_id in sent:
            message = status(exchange, message_id)
            assert message["status"] == case["status"], case["name"]
            if "reason" in case:
                assert message["reason"] == case["reason"], case["name"]


def test_of_several_messages_in_one_packet_the_last_is_the_last(exchange: Exchange) -> None:
    """START, then STOP, from many phones in one write: the STOP of each counts."""
    numbers = [f"+86134{place:08d}" for place in range(12)]
    tokens = [exchange.consent(number) for number in numbers]
    frames = [
        exchange.deliver(number.removeprefix("+"), text)
        for number in numbers
        for text in (b"STOP", b"START", b"STOP", b"START", b"STOP")
    ]
    exchange.smsc.write(*frames)
    exchange.settle()
    assert not any(map(exchange.is_live, tokens))
    acknowledged = [number for number, status_ in exchange.smsc.acknowledged if status_ == 0]
    assert acknowledged == sorted(acknowledged), "they were taken in the order of their arrival"
