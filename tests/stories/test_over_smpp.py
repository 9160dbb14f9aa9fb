"""The whole story over real HTTP and a real SMPP session, against an SMSC in another process."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from tests.number_scan import NUMBERS, WRITTEN, files, found_in
from tests.processes import Lines, Running, code_in, fill, free_port, looks, process, service
from tests.service import ALWAYS, LINK, ORDERS, PROMOTIONS, found

pytestmark = pytest.mark.processes

PHONE = NUMBERS[0]


class Carrier:
    """The SMSC process, and the phones behind it."""

    def __init__(self, started: Any, lines: Lines, port: int) -> None:  # noqa: ANN401 - a process
        self.started, self.lines, self.port = started, lines, port
        self.read = 0

    def text(self, words: str) -> dict[str, Any]:
        """Return the next message with these words, once it has arrived."""

        def is_it(line: str) -> bool:
            return words in json.loads(line).get("text", "")

        place, line = self.lines.wait_for_next(is_it, self.read)
        self.read = place + 1
        taken: dict[str, Any] = json.loads(line)
        return taken

    def taken(self) -> list[dict[str, Any]]:
        return [line for each in list(self.lines.heard) if "text" in (line := json.loads(each))]

    def reply(self, number: str, source: str, text: str) -> None:
        line = {"from": number.removeprefix("+"), "to": source, "text": text}
        self.started.stdin.write(json.dumps(line) + "\n")
        self.started.stdin.flush()


def wait_until_handled(running: Running, replies: int) -> None:
    """Wait until the service has handled so many replies, by its metrics."""
    handled = re.compile(r'^consent_gateway_events_total\{kind="inbound"\} (\d+)', re.MULTILINE)
    for _ in looks():
        match = handled.search(running.metrics())
        if match and int(match[1]) >= replies:
            return
    pytest.fail(f"it never handled {replies} replies")


@pytest.fixture
def carrier() -> Iterator[Carrier]:
    port = free_port()
    with process("tests.smsc", str(port), reads=True) as (started, lines):
        lines.wait_for(lambda line: "ready" in line)
        yield Carrier(started, lines, port)


@pytest.fixture
def running(
    carrier: Carrier, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    WRITTEN.append(tmp_path)
    monkeypatch.setenv("CONSENT_TRANSACTIONAL_FREQUENCY_CAP", "100/day")
    gateway = f"smpp://esme:secret@127.0.0.1:{carrier.port}"
    with service(tmp_path, gateway=gateway, database=database_url) as started:
        carrier.lines.wait_for(lambda line: "bound" in line)
        yield started
    for path in files([tmp_path]):
        assert not found_in(path.read_bytes()), path


def agree(
    running: Running,
    carrier: Carrier,
    merchant: httpx.Client,
    browser: httpx.Client | None = None,
    *,
    purpose: str = PROMOTIONS,
    phone: str = PHONE,
    **scope: object,
) -> str:
    """Agree in a browser: a new one, or one that proved the number and need not wait for a code."""
    purposes = purpose.split()
    body = {"purposes": purposes, **ALWAYS, **scope}
    answer = merchant.post("/v1/consent-requests", json=body)
    assert answer.is_success, answer.text
    asked = answer.json()
    browser = browser or running.browser()
    path = asked["consent_url"].removeprefix(running.base)
    fill(browser, path, purposes=purposes, phone=phone, decision="grant")
    code = code_in(carrier.text("验证码")["text"])
    assert "可以给您发短信了" in fill(browser, path, code=code, decision="grant").text
    fetched = merchant.post(f"/v1/consent-requests/{asked['id']}/token", json={})
    token: str = fetched.json()["token"]
    return token


def until(merchant: httpx.Client, message_id: str, status: str) -> None:
    """Wait until a message stands there; each look is a request, so there is no bare sleep."""
    for _ in looks():
        if merchant.get(f"/v1/messages/{message_id}").json()["status"] == status:
            return
    pytest.fail(f"never {status}: {merchant.get(f'/v1/messages/{message_id}').json()}")


@pytest.mark.both_databases
def test_from_a_yes_to_a_text_on_a_phone_and_back_to_no(running: Running, carrier: Carrier) -> None:
    merchant = running.merchant()
    token = agree(running, carrier, merchant)
    draft = {"token": token, "purpose": PROMOTIONS, "text": "满 200 减 50，今晚八点"}
    accepted = merchant.post("/v1/messages", json=draft)
    assert accepted.status_code == 202
    taken = carrier.text("满 200")
    assert (taken["from"], taken["to"]) == ("1069000112", PHONE.removeprefix("+"))
    assert taken["coding"] == 8
    until(merchant, accepted.json()["id"], "delivered")
    link = f"/m/{found(LINK, whole(carrier, taken))}"
    stopped = fill(running.browser(), link, action="revoke")
    assert "不能再给您发短信了" in stopped.text
    refused = merchant.post("/v1/messages", json=draft)
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_revoked")


def whole(carrier: Carrier, first: dict[str, Any]) -> str:
    """Return a long text put together from its segments, as a phone does."""
    if not first["header"]:
        return str(first["text"])
    reference, total = first["header"][:8], int(first["header"][8:10], 16)
    carrier.lines.wait_for(
        lambda _: sum(each["header"][:8] == reference for each in carrier.taken()) == total
    )
    parts = [each for each in carrier.taken() if each["header"][:8] == reference]
    return "".join(each["text"] for each in sorted(parts, key=lambda each: each["header"]))


def test_a_reply_of_td_ends_it_and_is_confirmed_once(running: Running, carrier: Carrier) -> None:
    merchant = running.merchant()
    browser = running.browser()
    token = agree(running, carrier, merchant, browser)
    carrier.reply(PHONE, "1069000112", "td")
    assert "已停止" in carrier.text("已停止")["text"]
    draft = {"token": token, "purpose": PROMOTIONS, "text": "x"}
    assert merchant.post("/v1/messages", json=draft).json()["code"] == "consent_revoked"
    carrier.reply(PHONE, "1069000112", "TD")
    wait_until_handled(running, 2)
    agree(running, carrier, merchant, browser)  # later there is still one confirmation
    assert sum("已停止" in each["text"] for each in carrier.taken()) == 1


def test_a_long_text_arrives_in_segments_with_the_ending_in_the_last(
    running: Running, carrier: Carrier
) -> None:
    merchant = running.merchant()
    token = agree(running, carrier, merchant)
    text = "长" * 130 + "尾"
    accepted = merchant.post(
        "/v1/messages", json={"token": token, "purpose": PROMOTIONS, "text": text}
    ).json()
    assert accepted["segments"] == 3
    until(merchant, accepted["id"], "delivered")
    parts = [each for each in carrier.taken() if each["header"]]
    assert [each["header"][-4:] for each in parts] == ["0301", "0302", "0303"]
    assert {each["esm_class"] for each in parts} == {0x40}
    assert len({each["header"][:6] for each in parts}) == 1
    joined = "".join(each["text"] for each in parts)
    assert text in joined
    assert "拒收请回复R http" in joined
    assert found(LINK, parts[-1]["text"] if "/m/" in parts[-1]["text"] else joined)


def test_when_the_carrier_goes_away_messages_wait_and_then_leave(tmp_path: Path) -> None:
    """Accepted while nobody is there; delivered once somebody is."""
    WRITTEN.append(tmp_path)
    port = free_port()
    gateway = f"smpp://esme:secret@127.0.0.1:{port}"
    with process("tests.smsc", str(port), reads=True) as (started, lines):
        lines.wait_for(lambda line: "ready" in line)
        first = Carrier(started, lines, port)
        with service(tmp_path, gateway=gateway) as running:
            lines.wait_for(lambda line: "bound" in line)
            merchant = running.merchant()
            token = agree(running, first, merchant)
            started.stdin.close()
            started.wait(10)
            running.lines.wait_for(lambda line: "gateway_away" in line or "gateway_left" in line)
            draft = {"token": token, "purpose": PROMOTIONS, "text": "等一等"}
            message_id = merchant.post("/v1/messages", json=draft).json()["id"]
            with process("tests.smsc", str(port), reads=True) as (again, heard):
                second = Carrier(again, heard, port)
                assert "等一等" in second.text("等一等")["text"]
                until(merchant, message_id, "delivered")


@pytest.mark.both_databases
def test_an_advert_sent_as_an_order_never_reaches_the_carrier(
    running: Running, carrier: Carrier
) -> None:
    """As text it needs a template; through an approved one it does not fit the variables."""
    advert = "双11返场！全场5折"
    merchant = running.legal_merchant()
    template = merchant.post(
        "/v1/templates",
        json={
            "purpose": ORDERS,
            "text": "您的订单{order}已发出，预计{date}送达，请留意",
            "event_type": "order",
        },
    ).json()["id"]
    running.command("template", "approve", template)
    token = agree(running, carrier, merchant, purpose=ORDERS)
    as_text = merchant.post(
        "/v1/messages", json={"token": token, "purpose": ORDERS, "text": advert}
    )
    assert (as_text.status_code, as_text.json()["code"]) == (422, "template_required")
    values = {"order": "DD2021111100017", "date": "11月12日"}
    message = {
        "token": token, "purpose": ORDERS, "template": template, "variables": values,
        "event": {"type": "order", "id": values["order"]},
    }  # fmt: skip
    batch = [{**message, "variables": {**values, name: advert}} for name in values]
    results = merchant.post("/v1/messages/batch", json={"messages": batch}).json()["results"]
    assert [each["problem"]["code"] for each in results] == ["template_rejected"] * 2

    accepted = merchant.post("/v1/messages", json=message)
    assert accepted.status_code == 202, accepted.text
    assert carrier.text("DD2021111100017")["text"] == (
        "【晨光书店】您的订单DD2021111100017已发出，预计11月12日送达，请留意"
    )
    until(merchant, accepted.json()["id"], "delivered")
    assert not [each for each in carrier.taken() if "双11" in each["text"]]


@pytest.mark.both_databases
def test_an_advert_in_a_variable_is_counted_reported_found_and_stopped(
    running: Running, carrier: Carrier, database_url: str
) -> None:
    """The relay reads no words: the first texts leave, then the template is held and decided."""
    merchant, advert, people = running.legal_merchant(), "返场五折快来", NUMBERS[:4]
    drafted = {
        "purpose": ORDERS, "text": "亲爱的{name}您好，您的订单{order}已发出，请留意收货",
        "event_type": "order",
        "variables": {
            "name": {"type": "name", "max_length": 20},
            "order": {"type": "order", "max_length": 32},
        },
    }  # fmt: skip
    template = merchant.post("/v1/templates", json=drafted).json()["id"]
    running.command("template", "approve", template)
    scope: dict[str, Any] = {"max_messages": 1, "per_days": 30, "from": "09:00", "to": "21:00"}
    both = f"{ORDERS} {PROMOTIONS}"
    tokens = [
        agree(running, carrier, merchant, purpose=both, phone=each, **scope) for each in people
    ]
    engine = create_engine(database_url)
    with engine.begin() as connection:  # reports under consents of today count half
        connection.execute(text("UPDATE grants SET granted_at = granted_at - 2 * 86400"))
    engine.dispose()

    def order(number: int, **members: object) -> dict[str, object]:
        values = {"name": advert, "order": f"DD20211111{number:05}"}
        return {
            "token": tokens[number % 3], "purpose": ORDERS, "template": template,
            "variables": values, "event": {"type": "order", "id": values["order"]}, **members,
        }  # fmt: skip

    for number, each in enumerate(people[:3]):
        assert merchant.post("/v1/messages", json=order(number)).status_code == 202
        assert carrier.text(advert)["to"] == each.removeprefix("+")

    soon, later = (
        (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat() for seconds in (10, 3600)
    )
    waiting = merchant.post("/v1/messages", json=order(3, send_at=soon)).json()["id"]
    rest = {"messages": [order(number, send_at=later) for number in range(4, 210)]}
    results = merchant.post("/v1/messages/batch", json=rest).json()["results"]
    assert {each["status"] for each in results} == {"accepted"}
    running.lines.wait_for(lambda line: "template_held" in line)
    refused = merchant.post("/v1/messages", json=order(210))
    assert refused.json()["code"] == "held_back"

    for each, words in zip(people[:3], ("REPORT", "没有这个订单", "举报"), strict=True):
        carrier.reply(each, "1069000112", words)
        carrier.text("举报编号")
    running.lines.wait_for(lambda line: "template_disputed" in line)
    wait_for_reason(merchant, waiting, "held_back")
    filed = running.command("complaint", "list")
    assert {each["verdict"] for each in filed} == {"class_disputed"}
    running.command("complaint", "decide", filed[0]["id"], "upheld", "--reason", "名字里是广告")
    assert merchant.get(f"/v1/templates/{template}").json()["status"] == "withdrawn"
    refused = merchant.post("/v1/messages", json=order(211))
    assert refused.json()["code"] == "template_rejected"
    in_days = (datetime.now(UTC) + timedelta(days=3)).isoformat()  # past the rules for one day
    promotion = {"purpose": PROMOTIONS, "text": "满 200 减 50", "send_at": in_days}
    answers = [merchant.post("/v1/messages", json={**promotion, "token": each}) for each in tokens]
    codes = [each.json().get("code") for each in answers]
    assert codes == ["cap_reached"] * 3 + [None], "to three people the order was an advert"
    assert sum(advert in each["text"] for each in carrier.taken()) == 3


def wait_for_reason(merchant: httpx.Client, message_id: str, reason: str) -> None:
    """Wait until a message has a reason; each look is a request, so there is no bare sleep."""
    for _ in looks():
        if merchant.get(f"/v1/messages/{message_id}").json()["reason"] == reason:
            return
    pytest.fail(f"never {reason}: {merchant.get(f'/v1/messages/{message_id}').json()}")
