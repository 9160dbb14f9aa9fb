"""`make soak`: ten minutes of mixed traffic over the real processes; does memory stay flat?

`python -m tests.bench.soak SECONDS` runs for longer; only then is there a slope after ten minutes.

Batches and singles come in at a rate below full load, an SMSC of the npm package `smpp` takes the
messages and reports each, merchants revoke grants and list them. Every ten seconds
the resident memory of all of the service's processes is read, with its threads, files and the size
of SQLite's journal.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import linear_regression, pstdev, quantiles

import httpx

from consent_tokens.app_context import AppContext
from consent_tokens.services.admission.senders import add_sender
from consent_tokens.services.merchants import add_merchant
from consent_tokens.settings import Settings
from consent_tokens.store import schema
from tests.bench.contexts import PHONES
from tests.bench.load import table
from tests.fixtures import insert_grants
from tests.processes import free_port, process
from tests.service import ORDERS, PROMOTIONS
from tests.smsc_servers import carrier

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 600
WARM_SECONDS = 60  # until caches, pools and the interpreter's own arenas have grown
GROWN_SECONDS = 600  # until they have grown to the end
LOOK_SECONDS = 10.0
GRANTS, CLIENTS, EACH_SECOND = 20_000, 4, 40
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Look:
    """The resources of all of the service's processes at one moment."""

    at: float
    resident: int
    threads: int
    files: int
    journal: int


def family(pid: int) -> Iterator[int]:
    """Return a process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family(int(child))


def look(pid: int, database: Path, begun: float) -> Look:
    pids = list(family(pid))
    status = "".join(Path(f"/proc/{each}/status").read_text() for each in pids)
    fields = [line.split() for line in status.splitlines()]
    wal = database.with_name(database.name + "-wal")
    return Look(
        at=time.monotonic() - begun,
        resident=sum(int(field[1]) * 1024 for field in fields if field[0] == "VmRSS:"),
        threads=sum(int(field[1]) for field in fields if field[0] == "Threads:"),
        files=sum(len(list(Path(f"/proc/{each}/fd").iterdir())) for each in pids),
        journal=wal.stat().st_size if wal.exists() else 0,
    )


def one(client: httpx.Client, place: int, tokens: list[str]) -> tuple[str, int, float]:
    """Do what a merchant's program does; return what it was, its status, and how long it took."""
    token = tokens[place % len(tokens)]
    begun = time.monotonic()
    match place % 20:
        case 0:
            drafts = [
                {"token": each, "purpose": ORDERS, "text": f"#{place}"}
                for each in tokens[place % 10_000 : place % 10_000 + 50]
            ]
            what, answer = "batch", client.post("/v1/messages/batch", json={"messages": drafts})
        case 7:
            what, answer = "list", client.get("/v1/grants?limit=20")
        case 13:
            what, answer = "revoke", client.post("/v1/tokens/revoke", json={"token": token})
        case _:
            purpose = PROMOTIONS if place % 2 else ORDERS
            draft = {"token": token, "purpose": purpose, "text": f"#{place}"}
            what, answer = "message", client.post("/v1/messages", json=draft)
    return what, answer.status_code, time.monotonic() - begun


def soak(folder: Path) -> None:
    with carrier() as smsc:
        port = free_port()
        environment = {
            "CONSENT_DATABASE_URL": f"sqlite:///{folder}/consent.db",
            "CONSENT_KEYS_DIR": str(folder / "keys"),
            "CONSENT_GATEWAY_URL": smsc.url,
            "CONSENT_BASE_URL": f"http://127.0.0.1:{port}",
            "CONSENT_TRANSACTIONAL_FREQUENCY_CAP": "1000000/day",
        }
        context = AppContext.from_settings(Settings.from_environment(environment))
        schema.upgrade(context.runtime.database)
        admitted = add_merchant(context.runtime, "soak")
        add_sender(
            context.runtime, admitted.merchant.id, port="1069", extension="1", signature="店"
        )
        tokens = insert_grants(context.runtime, admitted.merchant.id, GRANTS, PHONES)
        context.close()
        arguments = ("consent_tokens", "serve", "--bind", f"127.0.0.1:{port}")
        with process(*arguments, environment=environment) as (started, lines):
            lines.wait_for(lambda line: "ready at" in line)
            headers = {"Authorization": f"Bearer {admitted.api_key}"}
            with httpx.Client(
                base_url=environment["CONSENT_BASE_URL"], headers=headers, timeout=30
            ) as client:
                run(client, tokens, started.pid, folder / "consent.db")
            # what the SMSC said is not kept: this process is not what is measured
            smsc.lines.heard.clear()


def run(client: httpx.Client, tokens: list[str], pid: int, database: Path) -> None:
    begun = time.monotonic()
    looks: list[Look] = []
    took: list[tuple[float, str, int, float]] = []
    places = cycle(range(1_000_000))
    with ThreadPoolExecutor(CLIENTS) as pool:
        while (at := time.monotonic() - begun) < SECONDS:
            done = pool.map(lambda place: one(client, place, tokens), _some(places))
            took += [(at, *each) for each in done]
            if not looks or at - looks[-1].at >= LOOK_SECONDS:
                looks.append(look(pid, database, begun))
            time.sleep(max(0.0, begun + at + 1 - time.monotonic()))
    report(looks, took)


def _some(places: Iterator[int]) -> list[int]:
    return [next(places) for _ in range(EACH_SECOND)]


def _slope(looks: list[Look]) -> str:
    """Return how memory grows in an hour, and how far single looks are from that line."""
    line = linear_regression([e.at for e in looks], [e.resident for e in looks])
    scatter = pstdev(each.resident - line.slope * each.at for each in looks)
    return f"{line.slope * 3600 / MEGABYTE:+.1f} MB an hour (scatter {scatter / MEGABYTE:.1f} MB)"


def report(looks: list[Look], took: list[tuple[float, str, int, float]]) -> None:
    warm = [each for each in looks if each.at >= WARM_SECONDS]
    half = SECONDS / 2
    late = [each for each in looks if each.at >= half]
    grown = [each for each in looks if each.at >= GROWN_SECONDS]
    first, last = (
        quantiles([each[3] for each in took if (each[0] < half) == is_first], n=100)[98] * 1000
        for is_first in (True, False)
    )
    faults = sum(status >= 500 for _, _, status, _ in took)
    rows = [
        ("calls", f"{len(took):,} in {SECONDS} s"),
        ("answered 5xx", f"{faults}"),
        ("memory after a minute", f"{warm[0].resident / MEGABYTE:.0f} MB"),
        ("memory half-way", f"{late[0].resident / MEGABYTE:.0f} MB"),
        ("memory at the end", f"{warm[-1].resident / MEGABYTE:.0f} MB"),
        ("... of that after a minute", f"{warm[-1].resident / warm[0].resident:.2f}"),
        ("slope", _slope(warm)),
        ("slope of the second half", _slope(late)),
        ("threads, first and last", f"{warm[0].threads}, {warm[-1].threads}"),
        ("open files, first and last", f"{warm[0].files}, {warm[-1].files}"),
        ("SQLite's journal, at most", f"{max(e.journal for e in looks) / MEGABYTE:.1f} MB"),
        ("p99, first half and second", f"{first:.0f} ms, {last:.0f} ms"),
    ]
    if len(grown) > 1:
        after = f"{grown[0].resident / MEGABYTE:.0f} MB, {_slope(grown)}"
        rows.append(("memory after ten minutes, and its slope from then on", after))
    table(f"soak, {os.cpu_count()} cores", rows)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak(Path(folder))


if __name__ == "__main__":
    main()
