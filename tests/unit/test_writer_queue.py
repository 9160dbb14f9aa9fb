"""Processes that write to one SQLite file take turns, and none of them can keep the others out."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from itertools import groupby
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import text

from consent_tokens.store import writer_queue
from consent_tokens.store.database import Database
from consent_tokens.store.writer_queue import WriterQueue

PROCESSES = multiprocessing.get_context("fork")
WRITES = 60  # of each process
LONG_RUN = 5  # writes of one process while another wants to write, too
SOON = writer_queue.MAX_WAIT_SECONDS / 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "consent.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{path}")
    opened.run(lambda db: db.execute(text("CREATE TABLE writes (id INTEGER PRIMARY KEY, writer)")))
    yield opened
    opened.close()


def write(database: Database, writer: str) -> None:
    insert = text("INSERT INTO writes (writer) VALUES (:writer)")
    database.run(lambda db: db.execute(insert, {"writer": writer}))


def writers(database: Database) -> list[str]:
    return database.read(lambda db: list(db.scalars(text("SELECT writer FROM writes ORDER BY id"))))


def write_many(path: Path, writer: str, start: Barrier) -> None:
    database = Database.open(f"sqlite:///{path}")
    write(database, "first")  # connects
    start.wait()
    for _ in range(WRITES):
        write(database, writer)


def die_while_writing(path: Path) -> None:
    Database.open(f"sqlite:///{path}").run(lambda _: os.kill(os.getpid(), signal.SIGKILL))


def keep_the_turn(path: Path, has_turn: Event) -> None:
    with WriterQueue(path):
        has_turn.set()
        signal.pause()


def test_two_processes_write_in_turns(path: Path, database: Database) -> None:
    start = PROCESSES.Barrier(2)
    both = [PROCESSES.Process(target=write_many, args=(path, name, start)) for name in "ab"]
    for each in both:
        each.start()
    for each in both:
        each.join()
    order = [each for each in writers(database) if each != "first"]
    assert sorted(order) == ["a"] * WRITES + ["b"] * WRITES
    done = min(len(order) - order[::-1].index(name) for name in "ab")  # the first one is
    runs = [len(list(run)) for _, run in groupby(order[:done])]
    assert max(runs) <= LONG_RUN


def test_a_process_that_is_killed_while_it_writes_keeps_nobody_waiting(
    path: Path, database: Database
) -> None:
    killed = PROCESSES.Process(target=die_while_writing, args=(path,))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    begun = monotonic()
    write(database, "next")
    assert monotonic() - begun < SOON
    assert writers(database) == ["next"]


def test_who_waited_too_long_writes_without_a_turn(
    path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_queue, "MAX_WAIT_SECONDS", 0.05)
    has_turn = PROCESSES.Event()
    other = PROCESSES.Process(target=keep_the_turn, args=(path, has_turn))
    other.start()
    assert has_turn.wait(10)
    write(database, "next")
    assert other.is_alive()
    other.kill()
    other.join()
    assert writers(database) == ["next"]


def test_a_database_without_a_queue_is_written_to(path: Path, database: Database) -> None:
    database.close()
    path.with_name("consent.db.writers").unlink()
    path.with_name("consent.db.writers").mkdir()
    write(database, "next")
    assert writers(database) == ["next"]
