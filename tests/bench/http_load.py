"""One load generator for every server that is compared: wrk where it is installed, else our own.

A client that is slower than the server measures itself. Kannel's sendsms was once said to take 770
messages a second: that was the client.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench.load import Figures, load, request

SCRIPT: Final = Path(__file__).with_name("requests.lua")
LATENCY: Final = re.compile(r"^\s*(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$", re.MULTILINE)
PERCENTILES: Final = {"50", "99"}
RATE: Final = re.compile(r"^Requests/sec:\s+([\d.]+)$", re.MULTILINE)
COUNT: Final = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
FAILED: Final = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.+)|ran out of bodies")
MILLISECONDS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
OK: Final = 200
MAX_SENT: Final = 2000  # by our own sockets, of bodies that may be sent again


def generator() -> str:
    """Return the name of the load generator that is used."""
    return "wrk" if shutil.which("wrk") else "the bench's own sockets"


def saturate(  # noqa: PLR0913 - what a load is
    port: int,
    path: str,
    bodies: Sequence[bytes],
    *,
    seconds: int,
    api_key: str = "",
    connections: int = 16,
    is_once: bool = False,
    has_keys: bool = False,
) -> Figures:
    """Post the bodies in turn over so many connections, as fast as they are answered.

    An empty body is a GET. With `is_once` none is sent twice, and there must be enough; with
    `has_keys` each has an Idempotency-Key of its own. Fails unless all answers are 2xx.
    """
    prefix = f"bench-{time.time_ns()}-" if has_keys else ""
    if shutil.which("wrk") is None:
        sent = bodies if is_once else (list(bodies) * MAX_SENT)[:MAX_SENT]
        return _own(port, path, sent, connections, api_key, prefix)
    with tempfile.NamedTemporaryFile() as lines:
        lines.write(b"\n".join(bodies) + b"\n")
        lines.flush()
        done = subprocess.run(
            [
                "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s",
                "-s", str(SCRIPT), f"http://127.0.0.1:{port}",
            ],
            env={
                **os.environ, "BENCH_BODIES": lines.name, "BENCH_PATH": path,
                "BENCH_METHOD": "POST" if bodies[0] else "GET", "BENCH_KEYS": prefix,
                "BENCH_ONCE": "1" if is_once else "",
                "BENCH_AUTHORIZATION": f"Bearer {api_key}",
            },
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return figures_of(done.stdout)


def _own(
    port: int, path: str, bodies: Sequence[bytes], connections: int, api_key: str, prefix: str
) -> Figures:
    get = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
    posts = [
        request(path, body, api_key, f"{prefix}{place}" if prefix else "") if body else get
        for place, body in enumerate(bodies)
    ]
    figures = load(port, posts, connections)
    if any(status // 100 != OK // 100 for status in figures.statuses):
        raise SystemExit(f"not all were answered 2xx: {figures.statuses}")
    return figures


def figures_of(output: str) -> Figures:
    """Return the figures that wrk prints; fail if an answer was no 2xx."""
    if failed := FAILED.search(output):
        raise SystemExit(f"wrk: {failed[0]}")
    rate, count = RATE.search(output), COUNT.search(output)
    at = {name: float(value) * MILLISECONDS[unit] for name, value, unit in LATENCY.findall(output)}
    if rate is None or count is None or len(at) != len(PERCENTILES):
        raise SystemExit(f"wrk printed no figures: {output}")
    return Figures(float(rate[1]), at["50"], at["99"], {OK: int(count[1])})
