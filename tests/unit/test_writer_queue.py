"""Processes that write to one SQLite file take turns, and none of them can keep the others out."""

import fcntl
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import text

from consent_tokens.store import writer_queue
from consent_tokens.store.database import Database
from consent_tokens.store.writer_queue import WriterQueue
from tests.processes import looks

PROCESSES = multiprocessing.get_context("fork")
LONG_SECONDS = 60.0  # longer than any test takes


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody write without a turn because the machine is slow."""
    monkeypatch.setattr(writer_queue, "MAX_WAIT_SECONDS", LONG_SECONDS)


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


def write_as_other(path: Path) -> None:
    write(Database.open(f"sqlite:///{path}"), "other")


def is_anybody_next(queue: WriterQueue) -> bool:
    """Whether a process waits for the one that writes.

    It asks by the queue's own file: to close another one would end the locks of this process.
    """
    assert queue._file is not None
    try:
        fcntl.lockf(queue._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, writer_queue.NEXT)
    except BlockingIOError:
        return True
    fcntl.lockf(queue._file, fcntl.LOCK_UN, 1, writer_queue.NEXT)
    return False


def die_while_writing(path: Path) -> None:
    Database.open(f"sqlite:///{path}").run(lambda _: os.kill(os.getpid(), signal.SIGKILL))


def keep_the_turn(path: Path, has_turn: Event) -> None:
    with WriterQueue(path):
        has_turn.set()
        signal.pause()


def test_who_has_just_written_comes_after_a_process_that_waits(
    path: Path, database: Database
) -> None:
    other = PROCESSES.Process(target=write_as_other, args=(path,))
    with WriterQueue(path) as queue:
        other.start()
        assert any(is_anybody_next(queue) for _ in looks())
    write(database, "this")
    other.join()
    assert writers(database) == ["other", "this"]


def test_a_process_that_is_killed_while_it_writes_keeps_nobody_waiting(
    path: Path, database: Database
) -> None:
    killed = PROCESSES.Process(target=die_while_writing, args=(path,))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    begun = monotonic()
    write(database, "next")
    assert monotonic() - begun < LONG_SECONDS / 2
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


def test_the_file_of_the_queue_is_no_link_to_another(path: Path, database: Database) -> None:
    """Whoever may write to the folder cannot have another file opened, or given away by root."""
    database.close()
    file, other = path.with_name("consent.db.writers"), path.with_name("other")
    file.unlink()
    file.symlink_to(other)
    with WriterQueue(path):
        assert not other.exists()
    write(database, "next")
    assert writers(database) == ["next"]
