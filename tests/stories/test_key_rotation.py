"""Keys rotate while messages flow through real processes; then they are withdrawn."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.commands import run_command
from tests.number_scan import NUMBERS, WRITTEN
from tests.processes import Lines, Running, code_in, fill, free_port, process
from tests.service import ALWAYS, ORDERS

pytestmark = pytest.mark.processes

PHONE, OTHER_PHONE = NUMBERS[:2]  # a code to the same number would have to wait
MESSAGES_A_PHASE = 20
LOOKS = 2000  # at a page, for what is about to change; each is a request


@dataclass
class Traffic:
    """A merchant's program that sends one message after another, and keeps what is refused."""

    merchant: httpx.Client
    token: str
    accepted: int = 0
    refused: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stopped.is_set():
            draft = {"token": self.token, "purpose": ORDERS, "text": f"No. {self.accepted}."}
            answer = self.merchant.post("/v1/messages", json=draft)
            with self.changed:
                if answer.status_code == 202:
                    self.accepted += 1
                else:
                    self.refused.append(answer.text)
                self.changed.notify_all()

    def flow(self) -> None:
        """Wait until more messages were accepted."""
        with self.changed:
            enough = self.accepted + MESSAGES_A_PHASE
            assert self.changed.wait_for(
                lambda: self.refused or self.accepted >= enough, timeout=60
            ), "no message goes"
            assert self.refused == []


@contextmanager
def flowing(merchant: httpx.Client, token: str) -> Iterator[Traffic]:
    traffic = Traffic(merchant, token)
    thread = threading.Thread(target=traffic.run)
    thread.start()
    try:
        yield traffic
    finally:
        traffic.stopped.set()
        thread.join()


@pytest.fixture
def carrier() -> Iterator[tuple[int, Lines]]:
    port = free_port()
    with process("tests.smsc", str(port), reads=True) as (_, lines):
        lines.wait_for(lambda line: "ready" in line)
        yield port, lines


@pytest.fixture
def running(carrier: tuple[int, Lines], database_url: str, tmp_path: Path) -> Iterator[Running]:
    """Two web processes and a dispatcher."""
    WRITTEN.append(tmp_path)
    port = free_port()
    environment = {
        "CONSENT_DATABASE_URL": database_url,
        "CONSENT_KEYS_DIR": str(tmp_path / "keys"),
        "CONSENT_GATEWAY_URL": f"smpp://esme:secret@127.0.0.1:{carrier[0]}",
        "CONSENT_BASE_URL": f"http://127.0.0.1:{port}",
        "CONSENT_TRANSACTIONAL_FREQUENCY_CAP": "1000000/day",
    }
    web = ("consent_tokens", "web", "--workers", "2", "--bind", f"127.0.0.1:{port}")
    running = Running(f"http://127.0.0.1:{port}", environment, Lines())
    assert run_command(environment, "db", "upgrade").returncode == 0
    with (
        process(*web, environment=environment) as (_, said),
        process("consent_tokens", "dispatch", environment=environment) as (_, dispatched),
    ):
        said.wait_for(lambda line: "ready at" in line)
        dispatched.wait_for(lambda line: "dispatching" in line)
        with running.clients:
            yield running


def code(carrier: tuple[int, Lines], begin: int) -> str:
    def is_code(line: str) -> bool:
        return "验证码" in json.loads(line).get("text", "")

    _, line = carrier[1].wait_for_next(is_code, begin)
    return code_in(json.loads(line)["text"])


def agree(
    running: Running, browser: httpx.Client, merchant: httpx.Client, carrier: tuple[int, Lines]
) -> str:
    wanted = {"purposes": [ORDERS], **ALWAYS}
    asked = merchant.post("/v1/consent-requests", json=wanted).json()
    begin = len(carrier[1].heard)
    path = asked["consent_url"].removeprefix(running.base)
    fill(browser, path, purposes=[ORDERS], phone=PHONE, decision="grant")
    fill(browser, path, code=code(carrier, begin), decision="grant")
    fetched = merchant.post(f"/v1/consent-requests/{asked['id']}/token", json={})
    token: str = fetched.json()["token"]
    return token


def sign_in(browser: httpx.Client, carrier: tuple[int, Lines]) -> None:
    begin = len(carrier[1].heard)
    fill(browser, "/my", phone=OTHER_PHONE)
    assert is_signed_in(fill(browser, "/my", code=code(carrier, begin)))


def is_signed_in(page: httpx.Response) -> bool:
    return 'name="phone"' not in page.text


def published(running: Running) -> set[str]:
    keys = httpx.get(f"{running.base}/.well-known/jwks.json").json()["keys"]
    return {key["kid"] for key in keys}


def keys_of(running: Running, kind: str) -> dict[str, dict[str, Any]]:
    return {row["status"]: row for row in running.command("keys", "list") if row["kind"] == kind}


def withdraw_by_two(running: Running, kid: str) -> None:
    """Let the user of the system propose a withdrawal, and another operator approve it."""
    command = ("keys", "withdraw", kid, "--yes")
    name = f"second-{kid[-6:]}"
    running.command("operator", "add", name, "--role", "admin")
    assert running.command(*command, "--reason", "rotated")["status"] == "proposed"
    assert running.command(*command, "--by", name)["status"] == "withdrawn"


def test_each_kind_of_key_rotates_while_messages_flow(
    running: Running, carrier: tuple[int, Lines]
) -> None:
    merchant, browser = running.merchant(), running.browser()
    token = agree(running, browser, merchant, carrier)
    sign_in(browser, carrier)
    first = published(running)
    with flowing(merchant, token) as traffic:
        traffic.flow()
        for kind in ("signing", "wrapping", "session", "token_mac"):
            running.command("keys", "rotate", kind, "--now")
            traffic.flow()
        wait_until(lambda: first < published(running), "no new key is published")
        renewed = merchant.post("/v1/tokens/renew", json={"token": token}).json()["token"]
        traffic.token = renewed  # under the new key, in both web processes
        traffic.flow()
        assert is_signed_in(browser.get("/my"))
        old = keys_of(running, "signing")["older"]["kid"]
        assert {old} == first < published(running)
        withdraw_by_two(running, old)
        wait_until(lambda: old not in published(running), "a withdrawn key is still published")
        traffic.flow()
    draft = {"token": token, "purpose": ORDERS, "text": "x"}
    for _ in range(10):  # of both web processes
        refused = merchant.post("/v1/messages", json=draft)
        assert (refused.status_code, refused.json()["code"]) == (422, "token_malformed")
    assert httpx.get(f"{running.base}/readyz").status_code == 200
    arrived(carrier[1], traffic.accepted)
    session = keys_of(running, "session")["older"]["kid"]
    withdraw_by_two(running, session)
    assert any(not is_signed_in(browser.get("/my")) for _ in range(LOOKS))


def wait_until(is_so: Callable[[], bool], fault: str) -> None:
    """Wait until it is so in both web processes: they look at the folder every 5 seconds."""
    in_a_row = 0
    for _ in range(LOOKS):
        in_a_row = in_a_row + 1 if is_so() else 0
        if in_a_row == 50:  # answers: of both
            return
    pytest.fail(fault)


def arrived(lines: Lines, count: int) -> None:
    """Wait until every accepted message has left, once."""
    for number in range(count):
        lines.wait_for(lambda line, number=number: f"No. {number}." in line)  # type: ignore[misc]  # a default keeps the value
    sent = [line for line in list(lines.heard) if "No. " in line]
    assert len(sent) == count
