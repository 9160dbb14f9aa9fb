"""Promise 7: SIGKILL at any point loses nothing, and duplicates no marketing message.

Counted where it counts: at the SMSC, which is another process.
"""

import json
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consent_tokens.app_context import AppContext
from consent_tokens.errors import DispatcherRunningError
from consent_tokens.services.dispatch.dispatcher_lock import acquire_dispatcher_lock
from consent_tokens.services.outbox.message_links import find_linked
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.settings import Settings
from consent_tokens.store import schema
from consent_tokens.store.database import Transaction
from tests.crash_harness import POINTS
from tests.faults.ledger import NAME, Ledger, arrived, count_unfinished, statuses_of
from tests.fixtures import accept_messages, admit_merchant, insert_grants
from tests.number_scan import WRITTEN
from tests.processes import Lines, free_port, process
from tests.service import LINK, ORDERS, PROMOTIONS

pytestmark = pytest.mark.processes

WINDOW = 64  # submissions without an answer, of one dispatcher

# `make faults` kills more often than the suite
IS_WHOLE = os.environ.get("FAULTS") == "all"


@dataclass
class CrashHarness:
    """The process that forks and reaps dispatchers (tests/crash_harness.py)."""

    started: Any
    lines: Lines
    read: int = 0
    kills: int = 0

    def begin(
        self,
        environment: Mapping[str, str],
        *,
        point: str | None = None,
        nth: int = 1,
        lease: int | None = None,
    ) -> int:
        self._write({"start": dict(environment), "point": point, "nth": nth, "lease": lease})
        return int(self._next("pid")["pid"])

    def kill(self, pid: int) -> None:
        self.send("kill", pid)
        self.wait(pid)

    def send(self, name: str, pid: int) -> None:
        self._write({name: pid})

    def wait(self, pid: int) -> int:
        """Return the signal that a dispatcher died of, once it is dead."""
        line = self.lines.wait_for(lambda said: json.loads(said).get("dead") == pid)
        died_of = int(json.loads(line)["signal"])
        self.kills += died_of == 9
        return died_of

    def _next(self, name: str) -> dict[str, Any]:
        place, line = self.lines.wait_for_next(lambda said: name in json.loads(said), self.read)
        self.read = place + 1
        said: dict[str, Any] = json.loads(line)
        return said

    def _write(self, line: Mapping[str, Any]) -> None:
        self.started.stdin.write(json.dumps(line) + "\n")
        self.started.stdin.flush()


@pytest.fixture
def harness() -> Iterator[CrashHarness]:
    with process("tests.crash_harness", reads=True) as (started, lines):
        lines.wait_for(lambda line: "ready" in line)
        yield CrashHarness(started, lines)


@pytest.fixture
def smsc() -> Iterator[tuple[int, Lines]]:
    port = free_port()
    with process("tests.smsc", str(port), reads=True) as (_, lines):
        lines.wait_for(lambda line: "ready" in line)
        yield port, lines


@dataclass
class Outbox:
    """An outbox full of messages, half of them marketing, and the SMSC that they go to."""

    context: AppContext
    environment: dict[str, str]
    ids: dict[str, str]
    marketing: frozenset[str]
    lines: Lines

    def ledger(self) -> Ledger:
        found = statuses_of(self.context.runtime, self.ids)
        return Ledger(found, arrived(list(self.lines.heard)), self.marketing)


FillOutbox = Callable[..., Outbox]


@pytest.fixture
def fill(tmp_path: Path, smsc: tuple[int, Lines]) -> Iterator[FillOutbox]:
    with ExitStack() as closing:

        def set_up(database_url: str, count: int, rate: int) -> Outbox:
            here = fill_outbox(tmp_path, database_url, smsc, count, rate)
            closing.callback(here.context.close)
            return here

        yield set_up


def fill_outbox(
    folder: Path, database_url: str, smsc: tuple[int, Lines], count: int, rate: int
) -> Outbox:
    WRITTEN.append(folder)
    port, lines = smsc
    environment = {
        "CONSENT_DATABASE_URL": database_url,
        "CONSENT_KEYS_DIR": str(folder / "keys"),
        "CONSENT_GATEWAY_URL": f"smpp://esme:secret@127.0.0.1:{port}",
        "CONSENT_GATEWAY_THROUGHPUT": str(rate),
    }
    context = AppContext.from_settings(Settings.from_environment(environment))
    schema.upgrade(context.runtime.database)
    who = admit_merchant(context.runtime)
    names = [f"{'M' if place % 2 else 'T'}{place}" for place in range(count)]
    drafts = [
        MessageRequest(
            token=token, purpose=PROMOTIONS if name[0] == "M" else ORDERS, text=f"#{name}# 满减"
        )
        for name, token in zip(names, insert_grants(context.runtime, who, count), strict=True)
    ]
    ids = accept_messages(context, who, drafts)
    return Outbox(
        context, environment, dict(zip(names, ids, strict=True)),
        frozenset(name for name in names if name[0] == "M"), lines,
    )  # fmt: skip


def drained(
    here: Outbox, harness: CrashHarness, lease: int | None = None, alive: int | None = None
) -> Ledger:
    """Let a dispatcher live until nothing waits any more; return what became of all."""
    pid = alive or harness.begin(here.environment, lease=lease)
    tick = threading.Event()
    for _ in range(1200):
        if not count_unfinished(here.context.runtime):
            break
        tick.wait(0.1)  # for another process: each look asks the database
    harness.send("term", pid)
    assert harness.wait(pid) == 0
    return here.ledger()


def wait_until_finished(here: Outbox, seconds: int) -> None:
    """Wait for another process, at most so long: each look asks the database."""
    wait = threading.Event()
    for _ in range(seconds * 10):
        if not count_unfinished(here.context.runtime):
            break
        wait.wait(0.1)


def check(ledger: Ledger, kills: int, title: str) -> None:
    print(f"\n{title}: {kills} kills; {ledger}")
    assert ledger.lost == []
    assert ledger.unexpected == []
    assert not {name for name in ledger.duplicated if name in ledger.marketing}
    assert sum(ledger.duplicated.values()) <= kills * WINDOW


def check_links(here: Outbox) -> None:
    """Check that each link that arrived leads to its own message, whoever drew it."""
    runtime = here.context.runtime
    texts = [str(json.loads(line).get("text", "")) for line in here.lines.heard]
    linked = [(NAME.findall(text), LINK.findall(text)) for text in texts if "/m/" in text]
    assert {name for (name,), _ in linked} == here.marketing & here.ledger().arrived.keys()

    def lead_to_their_own(transaction: Transaction) -> bool:
        found = {
            name: find_linked(runtime, transaction, link_id, None) for (name,), (link_id,) in linked
        }
        return all(
            message and runtime.ids.message.encode(message.key) == here.ids[name]
            for name, message in found.items()
        )

    assert runtime.database.read(lead_to_their_own)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point(
    point: str, database_url: str, fill: FillOutbox, harness: CrashHarness
) -> None:
    """Each time a little later: in the first round, in the second, in the midst of a window."""
    moments = (1, 1, 2, 2, 3) if IS_WHOLE else (1, 2)
    here = fill(database_url, 1500 if IS_WHOLE else 1000, rate=400)
    lease = None if database_url.startswith("sqlite") else 1
    for nth in moments:
        pid = harness.begin(here.environment, point=point, nth=nth, lease=lease)
        assert harness.wait(pid) == 9, "it lived"
    check(drained(here, harness, lease), harness.kills, point)
    check_links(here)


@pytest.mark.parametrize("point", ["in_submit", "before_record"])
def test_killed_while_one_round_is_submitted_and_the_next_is_leased(
    point: str, database_url: str, fill: FillOutbox, harness: CrashHarness
) -> None:
    """Without a rate limit and with a quick SMSC, two rounds are in flight, one window of them."""
    here = fill(database_url, 5000 if IS_WHOLE else 3000, rate=0)
    lease = None if database_url.startswith("sqlite") else 1
    moments = (700, 1100, 900) if point == "in_submit" else (3, 5, 4)
    for nth in moments if IS_WHOLE else moments[:2]:
        pid = harness.begin(here.environment, point=point, nth=nth, lease=lease)
        assert harness.wait(pid) == 9, "it lived"
    check(drained(here, harness, lease), harness.kills, f"{point}, running ahead")


@pytest.mark.both_databases
def test_killed_at_random_moments_under_load(
    database_url: str, fill: FillOutbox, harness: CrashHarness
) -> None:
    """On PostgreSQL two dispatchers at once, of which now one dies and now the other."""
    is_sqlite = database_url.startswith("sqlite")
    kills, enough = (100, 60) if IS_WHOLE else (15, 9)
    here = fill(database_url, 30 * kills, rate=150 if is_sqlite else 75)
    lease = None if is_sqlite else 1
    chance, wait = random.Random(11), threading.Event()  # noqa: S311 - the same each time
    alive: list[int] = []
    while harness.kills < kills and count_unfinished(here.context.runtime) > 50:
        while len(alive) < (1 if is_sqlite else 2):
            alive.append(harness.begin(here.environment, lease=lease))
        wait.wait(chance.uniform(0.02, 0.6))  # the moment is the point of it
        harness.kill(alive.pop(0))
    for pid in alive:
        harness.kill(pid)
    assert harness.kills >= enough, "it was over too soon to tell"
    check(drained(here, harness, lease), harness.kills, "random")


def smpp_client_of(dispatcher: int) -> int | None:
    """Return the SMPP client process of a dispatcher, if it has one at this moment."""
    tasks = Path(f"/proc/{dispatcher}/task")
    children = [
        each for task in tasks.iterdir() for each in (task / "children").read_text().split()
    ]
    return int(children[0]) if children else None


def test_the_smpp_client_process_dies_at_random_moments_under_load(
    database_url: str, fill: FillOutbox, harness: CrashHarness
) -> None:
    """The dispatcher lives: what was with that process is in doubt, and another one is started."""
    kills = 10 if IS_WHOLE else 4
    here = fill(database_url, 200 * kills, rate=500)
    chance, wait = random.Random(7), threading.Event()  # noqa: S311 - the same each time
    pid = harness.begin(here.environment)
    read = 0
    for _ in range(kills):
        bound, _ = here.lines.wait_for_next(lambda line: "bound" in json.loads(line), read)
        read = 1 + here.lines.wait_for_next(lambda line: "text" in json.loads(line), bound)[0]
        wait.wait(chance.uniform(0.0, 0.1))  # the moment is the point of it
        smpp_client = smpp_client_of(pid)
        assert smpp_client
        os.kill(smpp_client, signal.SIGKILL)
    assert count_unfinished(here.context.runtime), "it was over too soon to tell"
    check(drained(here, harness, None, pid), kills, "SMPP clients")
    assert harness.kills == 0, "the dispatcher did not outlive its SMPP clients"


def test_when_a_dispatcher_dies_its_smpp_client_stops_too(
    tmp_path: Path, fill: FillOutbox, harness: CrashHarness
) -> None:
    """The next dispatcher starts only when it is gone: it holds the same lock."""
    here = fill(f"sqlite:///{tmp_path}/consent.db", 500, rate=100)
    pid = harness.begin(here.environment)
    here.lines.wait_for(lambda line: "#" in json.loads(line).get("text", ""))
    smpp_client = smpp_client_of(pid)
    assert smpp_client
    os.kill(smpp_client, signal.SIGSTOP)
    harness.kill(pid)
    with pytest.raises(DispatcherRunningError):
        acquire_dispatcher_lock(here.context.runtime.database)
    os.kill(smpp_client, signal.SIGCONT)
    acquire_dispatcher_lock(
        here.context.runtime.database
    ).release()  # it noticed that its dispatcher is gone, and stopped
    check(drained(here, harness), harness.kills, "SMPP client stops")


def test_a_dispatcher_that_was_stopped_past_its_lease_sends_nothing_twice(
    empty_postgres_url: str, fill: FillOutbox, harness: CrashHarness
) -> None:
    """SIGSTOP in the midst of it, twice the lease, SIGCONT: another has long taken over."""
    here = fill(empty_postgres_url, 600, rate=300)
    wait = threading.Event()
    sleeper = harness.begin(here.environment, lease=1)
    here.lines.wait_for(lambda line: "#" in json.loads(line).get("text", ""))
    harness.send("stop", sleeper)
    other = harness.begin(here.environment, lease=1)
    # what it locked in a transaction that it was stopped in, nobody else takes over until then
    wait_until_finished(here, 15)
    harness.send("cont", sleeper)
    wait.wait(1.0)  # would it send anything, it would be now
    wait_until_finished(here, 60)
    for pid in (sleeper, other):
        harness.send("term", pid)
        harness.wait(pid)
    check(here.ledger(), 1, "stopped past its lease")
