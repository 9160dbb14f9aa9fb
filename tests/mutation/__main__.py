"""`make mutation`: how many small faults in the deciding packages the tests notice.

Each mutant is written to a copy of the project in a temporary folder, and the tests that run the
changed line are run there until one fails, the quickest first: those of tests/unit, and for what
they do not notice the vectors and promises, of those no more than MAX_SERVICE_TESTS. The exit
status is 1 if less than TARGET is noticed, or if a survivor is not explained in survivors.md.

mutmut 3 was tried: it leaves out constants of modules and decorated functions (properties among
them), which is where many of the limits and rules of these packages are.
"""

import argparse
import compileall
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Final

import pytest
from coverage import CoverageData
from hypothesis import Phase, settings

from tests.mutation.mutants import Mutant, mutants_of

PROJECT: Final = Path(__file__).parents[2]
PACKAGE: Final = "consent_tokens"
PARTS: Final = ("relay", "tokens", "consent", "crypto")
UNIT_TESTS: Final = "tests/unit"  # they need no fixture of conftest.py, which takes long to import
SERVICE_TESTS: Final = ("tests/vectors", "tests/promises")
MAX_SERVICE_TESTS: Final = 40  # for one mutant
MAX_SERVICE_SECONDS: Final = 1.0  # of one of them
LEFT_OUT: Final = (
    "test_what_the_whole_suite_wrote_holds_no_number",
    "test_many_revocations_race",
)
TIMEOUT_SECONDS: Final = 120.0  # for one mutant: an endless loop is noticed, too
SAMPLE, SEED, TARGET = 400, 20210, 0.95
SURVIVORS: Final = Path(__file__).parent / "survivors.md"
# Third parties, imported once and not for each mutant: never a module of the project.
PRELOADED: Final = (
    "alembic.command", "altcha", "apispec", "babel.dates", "cryptography.hazmat.primitives.ciphers",
    "flask", "flask_babel", "httpx", "itsdangerous", "marshmallow", "msgspec", "opencc",
    "phonenumbers.timezone", "prometheus_client", "segno", "sqlalchemy.orm", "standardwebhooks",
    "structlog",
)  # fmt: skip


class ChosenTests:
    """A plugin of pytest: runs the chosen tests in their order, and notes how long each took."""

    def __init__(self, chosen: Sequence[str] | None = None) -> None:
        self.rank = None if chosen is None else {name: rank for rank, name in enumerate(chosen)}
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if _is_in_process(item)]
        if self.rank is not None:  # by function: a fault may change the name of a case
            rank, functions = self.rank, {_function(name) for name in self.rank}
            items[:] = [item for item in items if _function(item.nodeid) in functions]
            items.sort(key=lambda item: rank.get(item.nodeid, 0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration


def _function(name: str) -> str:
    return name.partition("[")[0]


def _is_in_process(item: pytest.Item) -> bool:
    needs = {mark.name for mark in item.iter_markers()} | set(vars(item).get("fixturenames", ()))
    is_real = needs & {"processes", "browser", "postgres", "postgres_url", "empty_postgres_url"}
    return not is_real and "postgres" not in item.name and not item.name.startswith(LEFT_OUT)


def _run_tests(folder: Path, arguments: Sequence[str], plugin: ChosenTests) -> int:
    """Run pytest in a copy, in this process."""
    os.chdir(folder)
    os.environ["TMPDIR"] = str(folder / "tmp")  # of what the tests write, and leave when killed
    tempfile.tempdir = None
    sys.path[:] = [str(folder), *(each for each in sys.path if each not in {"", str(PROJECT)})]
    sys.dont_write_bytecode = True  # the bytecode of a mutant would outlive it
    quick = settings(
        deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
    )
    settings.register_profile("mutation", quick)
    settings.load_profile("mutation")
    options = ["-x", "-q", "-p", "no:cacheprovider", "--assert=plain"]
    if arguments[0].startswith(UNIT_TESTS):
        options.append("--noconftest")
    return int(pytest.main([*options, *arguments], plugins=[plugin]))


def _silently() -> None:
    os.setsid()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def _measure(folder: Path, tests: Sequence[str]) -> None:
    """Run every test once, noting which lines each runs and for how long."""
    plugin = ChosenTests()
    cover = [f"--cov={PACKAGE}", "--cov-context=test", "--cov-report="]
    code = _run_tests(folder, [*tests, *cover], plugin)
    (folder / "seconds.json").write_text(json.dumps(plugin.seconds))
    os._exit(code)


def _try(folder: Path, chosen: Sequence[str]) -> None:
    """Leave with 0 if the tests notice nothing."""
    _silently()
    for is_unit in (True, False):
        names = [name for name in chosen if name.startswith(UNIT_TESTS) is is_unit]
        files = sorted({name.partition("::")[0] for name in names})
        code = _run_tests(folder, files, ChosenTests(names)) if names else pytest.ExitCode.OK
        if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            os._exit(1)
    os._exit(0)


class Choice:
    """Which tests to run for a mutant: those that run its lines."""

    def __init__(self, folder: Path) -> None:
        self.seconds: dict[str, float] = json.loads((folder / "seconds.json").read_text())
        files = {name.partition("::")[0] for name in self.seconds}
        self.sources = {path: (folder / path).read_text("utf-8") for path in files}
        coverage = CoverageData(str(folder / ".coverage"))
        coverage.read()
        self.tests: dict[str, dict[int, set[str]]] = {}
        for path in coverage.measured_files():
            by_line = coverage.contexts_by_lineno(path)
            self.tests[path.removeprefix(f"{PACKAGE}/")] = {
                line: {context.rpartition("|")[0] for context in contexts}
                for line, contexts in by_line.items()
            }

    def for_mutant(self, mutant: Mutant) -> list[str]:
        """Return the tests, the quickest first, promises last."""
        by_line = self.tests[mutant.path]
        names = set().union(*(by_line.get(line, ()) for line in mutant.lines))
        if not mutant.is_in_function or not names or "" in names:  # it runs at an import
            module = f"{PACKAGE}.{mutant.path.removesuffix('.py').replace('/', '.')} import"
            files = {path for path in self.sources if module in self.sources[path]}
            names |= {name for name in self.seconds if name.partition("::")[0] in files}
            names |= set().union(*by_line.values())
        ordered = sorted(names - {""}, key=lambda name: (self.seconds[name], name))
        units = [name for name in ordered if name.startswith(UNIT_TESTS)]
        others = [name for name in ordered if name.startswith(SERVICE_TESTS)]
        short = [name for name in others if self.seconds[name] <= MAX_SERVICE_SECONDS]
        return units + short[:MAX_SERVICE_TESTS]


def survivors(
    mutants: Sequence[Mutant], choice: Choice, folders: Sequence[Path]
) -> Iterator[Mutant]:
    """Try every mutant, one in each folder at a time; yield those that no test notices."""
    waiting, free = list(reversed(mutants)), list(folders)
    running: dict[ForkProcess, tuple[Mutant, Path, float]] = {}
    while waiting or running:
        while waiting and free:
            mutant, folder = waiting.pop(), free.pop()
            chosen = choice.for_mutant(mutant)
            (folder / PACKAGE / mutant.path).write_text(mutant.source, "utf-8")
            process = ForkProcess(target=_try, args=(folder, chosen))
            process.start()
            running[process] = mutant, folder, time.monotonic() + TIMEOUT_SECONDS
        wait([process.sentinel for process in running], timeout=1)
        for process, (mutant, folder, deadline) in list(running.items()):
            is_late = time.monotonic() > deadline
            if process.is_alive() and not is_late:
                continue
            if process.is_alive() and process.pid:
                os.killpg(process.pid, signal.SIGKILL)
            process.join()
            del running[process]
            free.append(folder)
            shutil.copy2(PROJECT / PACKAGE / mutant.path, folder / PACKAGE / mutant.path)
            shutil.rmtree(folder / "tmp")
            (folder / "tmp").mkdir()
            if process.exitcode == 0:
                known = "explained" if _is_explained(mutant) else "not explained"
                print(f"survives ({known}): line {mutant.lines.start} of {mutant.name}", flush=True)
                yield mutant


def _copies(root: Path, count: int) -> list[Path]:
    folders = [root / str(number) for number in range(count)]
    leave_out = shutil.ignore_patterns("__pycache__", ".*", "node_modules", "*.key", "*.db*")
    for folder in folders:
        shutil.copytree(PROJECT, folder, ignore=leave_out)
        compileall.compile_dir(folder / PACKAGE, quiet=1)
        (folder / "tmp").mkdir()
    return folders


def main() -> int:
    """Print the score, and each survivor."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=SAMPLE, help="how many mutants are tried")
    parser.add_argument("--all", action="store_true", help="try every mutant")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--unit", action="store_true", help="run the tests of tests/unit alone")
    parser.add_argument("--only", default="", help="mutants whose name holds this text")
    options = parser.parse_args()
    for name in PRELOADED:
        import_module(name)
    paths = sorted(path for part in PARTS for path in (PROJECT / PACKAGE / part).rglob("*.py"))
    every = [
        mutant
        for path in paths
        for mutant in mutants_of(
            path.relative_to(PROJECT / PACKAGE).as_posix(), path.read_text("utf-8")
        )
        if options.only in mutant.name
    ]
    count = len(every) if options.all else min(options.sample, len(every))
    chosen = random.Random(options.seed).sample(every, count)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory(prefix="mutation-") as root:
        folders = _copies(Path(root), options.processes)
        survived = _round(chosen, [UNIT_TESTS], folders)
        unexplained = [mutant for mutant in survived if not _is_explained(mutant)]
        if unexplained and not options.unit:
            left = _round(unexplained, SERVICE_TESTS, folders)
            survived = [each for each in survived if each in left or each not in unexplained]
    return _report(count, len(every), survived)


def _round(mutants: Sequence[Mutant], tests: Sequence[str], folders: list[Path]) -> list[Mutant]:
    """Return the mutants that these tests do not notice."""
    measuring = ForkProcess(target=_measure, args=(folders[0], tests))
    measuring.start()
    measuring.join()
    if measuring.exitcode:
        raise SystemExit("a test fails without any fault put in")
    return list(survivors(mutants, Choice(folders[0]), folders))


def _is_explained(mutant: Mutant) -> bool:
    return f"- {mutant.name}" in SURVIVORS.read_text("utf-8").splitlines()


def _report(count: int, existing: int, survived: Sequence[Mutant]) -> int:
    noticed = count - len(survived)
    explained = sum(map(_is_explained, survived))
    print(f"{noticed} of {count} mutants are noticed: {noticed / count:.1%} ({existing} exist)")
    print(f"{explained} of the {len(survived)} survivors are explained in {SURVIVORS.name}")
    return int(noticed < TARGET * count or explained < len(survived))


if __name__ == "__main__":
    sys.exit(main())
