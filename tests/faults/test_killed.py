"""Promise 7: SIGKILL at any point loses nothing, and doubles no marketing message.

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
from consent_tokens.services.submission.accept import MessageRequest
from consent_tokens.settings import Settings
from consent_tokens.store import schema
from consent_tokens.store.dispatcher_lock import acquire_dispatcher_lock
from tests.crash_harness import POINTS
from tests.faults.ledger import Ledger, arrived, states, waiting
from tests.fixtures import laid_out, merchant, seeded
from tests.number_scan import WRITTEN
from tests.processes import Lines, free_port, process
from tests.service import ORDERS, PROMOTIONS

pytestmark = pytest.mark.processes

WINDOW = 64  # submissions without an answer, of one dispatcher


@dataclass
class Graveyard:
    """The process that dispatchers are forked from, and reaped by."""

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
        self._tell({"start": dict(environment), "point": point, "nth": nth, "lease": lease})
        return int(self._next("pid")["pid"])

    def kill(self, pid: int) -> None:
        self.send("kill", pid)
        self.wait(pid)

    def send(self, name: str, pid: int) -> None:
        self._tell({name: pid})

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

    def _tell(self, line: Mapping[str, Any]) -> None:
        self.started.stdin.write(json.dumps(line) + "\n")
        self.started.stdin.flush()


@pytest.fixture
def graveyard() -> Iterator[Graveyard]:
    with process("tests.crash_harness", reads=True) as (started, lines):
        lines.wait_for(lambda line: "ready" in line)
        yield Graveyard(started, lines)


@pytest.fixture
def smsc() -> Iterator[tuple[int, Lines]]:
    port = free_port()
    with process("tests.smsc", str(port), reads=True) as (_, lines):
        lines.wait_for(lambda line: "ready" in line)
        yield port, lines


@dataclass
class Scene:
    """An outbox full of messages, half of them marketing, and where they are to go."""

    world: AppContext
    environment: dict[str, str]
    handles: dict[str, str]
    marketing: frozenset[str]
    lines: Lines

    def ledger(self) -> Ledger:
        found = states(self.world, self.handles)
        return Ledger(found, arrived(list(self.lines.heard)), self.marketing)


Stage = Callable[..., Scene]


@pytest.fixture
def stage(tmp_path: Path, smsc: tuple[int, Lines]) -> Iterator[Stage]:
    with ExitStack() as closing:

        def set_up(database_url: str, count: int, rate: int) -> Scene:
            here = scene(tmp_path, database_url, smsc, count, rate)
            closing.callback(here.world.close)
            return here

        yield set_up


def scene(folder: Path, database_url: str, smsc: tuple[int, Lines], count: int, rate: int) -> Scene:
    WRITTEN.append(folder)
    port, lines = smsc
    environment = {
        "CONSENT_DATABASE_URL": database_url,
        "CONSENT_KEYS_DIR": str(folder / "keys"),
        "CONSENT_GATEWAY_URL": f"smpp://esme:secret@127.0.0.1:{port}",
        "CONSENT_GATEWAY_THROUGHPUT": str(rate),
    }
    world = AppContext.of(Settings.from_environment(environment))
    schema.upgrade(world.database)
    who = merchant(world)
    names = [f"{'M' if place % 2 else 'T'}{place}" for place in range(count)]
    drafts = [
        MessageRequest(
            token=token, purpose=PROMOTIONS if name[0] == "M" else ORDERS, text=f"#{name}# 满减"
        )
        for name, token in zip(names, seeded(world, who, count), strict=True)
    ]
    handles = laid_out(world, who, drafts)
    return Scene(
        world, environment, dict(zip(names, handles, strict=True)),
        frozenset(name for name in names if name[0] == "M"), lines,
    )  # fmt: skip


def drained(
    here: Scene, graveyard: Graveyard, lease: int | None = None, alive: int | None = None
) -> Ledger:
    """Let a dispatcher live until nothing waits any more; return what became of all."""
    pid = alive or graveyard.begin(here.environment, lease=lease)
    tick = threading.Event()
    for _ in range(1200):
        if not waiting(here.world):
            break
        tick.wait(0.1)  # for another process: each look asks the database
    graveyard.send("term", pid)
    assert graveyard.wait(pid) == 0
    return here.ledger()


def check(ledger: Ledger, kills: int, title: str) -> None:
    print(f"\n{title}: {kills} kills; {ledger}")
    assert ledger.lost == []
    assert ledger.unexpected == []
    assert not {name for name in ledger.doubled if name in ledger.marketing}
    assert sum(ledger.doubled.values()) <= kills * WINDOW


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point(
    point: str, database_url: str, stage: Stage, graveyard: Graveyard
) -> None:
    """Each time a little later: in the first round, in the second, in the midst of a window."""
    here = stage(database_url, 1500, rate=400)
    lease = None if database_url.startswith("sqlite") else 1
    for nth in (1, 1, 2, 2, 3):
        pid = graveyard.begin(here.environment, point=point, nth=nth, lease=lease)
        assert graveyard.wait(pid) == 9, "it lived"
    check(drained(here, graveyard, lease), graveyard.kills, point)


@pytest.mark.parametrize("point", ["in_submit", "before_record"])
def test_killed_while_one_round_is_with_the_line_and_the_next_is_taken_up(
    point: str, database_url: str, stage: Stage, graveyard: Graveyard
) -> None:
    """Where no rate binds and the line is quick: two rounds are in hand, and one window of them."""
    here = stage(database_url, 5000, rate=0)
    lease = None if database_url.startswith("sqlite") else 1
    for nth in (700, 1100, 900) if point == "in_submit" else (3, 5, 4):
        pid = graveyard.begin(here.environment, point=point, nth=nth, lease=lease)
        assert graveyard.wait(pid) == 9, "it lived"
    check(drained(here, graveyard, lease), graveyard.kills, f"{point}, running ahead")


def test_killed_at_random_moments_under_load(
    database_url: str, stage: Stage, graveyard: Graveyard
) -> None:
    """On PostgreSQL two dispatchers at once, of which now one dies and now the other."""
    is_sqlite = database_url.startswith("sqlite")
    here = stage(database_url, 3000, rate=150 if is_sqlite else 75)
    lease = None if is_sqlite else 1
    chance, wait = random.Random(11), threading.Event()  # noqa: S311 - the same each time
    alive: list[int] = []
    while graveyard.kills < 100 and waiting(here.world) > 50:
        while len(alive) < (1 if is_sqlite else 2):
            alive.append(graveyard.begin(here.environment, lease=lease))
        wait.wait(chance.uniform(0.02, 0.6))  # the moment is the point of it
        graveyard.kill(alive.pop(0))
    for pid in alive:
        graveyard.kill(pid)
    assert graveyard.kills >= 60, "it was over too soon to tell"
    check(drained(here, graveyard, lease), graveyard.kills, "random")


def speaker_of(dispatcher: int) -> int | None:
    """Return the process that speaks SMPP for a dispatcher, if it has one at this moment."""
    tasks = Path(f"/proc/{dispatcher}/task")
    children = [
        each for task in tasks.iterdir() for each in (task / "children").read_text().split()
    ]
    return int(children[0]) if children else None


def test_the_process_that_speaks_smpp_dies_at_random_moments_under_load(
    database_url: str, stage: Stage, graveyard: Graveyard
) -> None:
    """The dispatcher lives: what was with that process is in doubt, and another one is started."""
    here = stage(database_url, 2000, rate=500)
    chance, wait = random.Random(7), threading.Event()  # noqa: S311 - the same each time
    pid = graveyard.begin(here.environment)
    kills, read = 10, 0
    for _ in range(kills):
        bound, _ = here.lines.wait_for_next(lambda line: "bound" in json.loads(line), read)
        read = 1 + here.lines.wait_for_next(lambda line: "text" in json.loads(line), bound)[0]
        wait.wait(chance.uniform(0.0, 0.1))  # the moment is the point of it
        speaker = speaker_of(pid)
        assert speaker
        os.kill(speaker, signal.SIGKILL)
    assert waiting(here.world), "it was over too soon to tell"
    check(drained(here, graveyard, None, pid), kills, "speakers")
    assert graveyard.kills == 0, "the dispatcher did not outlive its speakers"


def test_when_a_dispatcher_dies_nothing_of_it_speaks_on(
    tmp_path: Path, stage: Stage, graveyard: Graveyard
) -> None:
    """The next one begins only when the line of the first is silent: it holds the same lock."""
    here = stage(f"sqlite:///{tmp_path}/consent.db", 500, rate=100)
    pid = graveyard.begin(here.environment)
    here.lines.wait_for(lambda line: "#" in json.loads(line).get("text", ""))
    speaker = speaker_of(pid)
    assert speaker
    os.kill(speaker, signal.SIGSTOP)
    graveyard.kill(pid)
    with pytest.raises(DispatcherRunningError):
        acquire_dispatcher_lock(here.world.database)
    os.kill(speaker, signal.SIGCONT)
    acquire_dispatcher_lock(
        here.world.database
    ).release()  # it has heard that its dispatcher is gone, and is gone too
    check(drained(here, graveyard), graveyard.kills, "speaks on")


def test_a_dispatcher_that_was_stopped_past_its_lease_sends_nothing_twice(
    empty_postgres_url: str, stage: Stage, graveyard: Graveyard
) -> None:
    """SIGSTOP in the midst of it, twice the lease, SIGCONT: another has long taken over."""
    here = stage(empty_postgres_url, 600, rate=300)
    wait = threading.Event()
    sleeper = graveyard.begin(here.environment, lease=1)
    here.lines.wait_for(lambda line: "#" in json.loads(line).get("text", ""))
    graveyard.send("stop", sleeper)
    other = graveyard.begin(here.environment, lease=1)
    for _ in range(600):
        if not waiting(here.world):
            break
        wait.wait(0.1)  # for another process: each look asks the database
    graveyard.send("cont", sleeper)
    wait.wait(1.0)  # would it send anything, it would be now
    for pid in (sleeper, other):
        graveyard.send("term", pid)
        graveyard.wait(pid)
    check(here.ledger(), 1, "stopped past its lease")
