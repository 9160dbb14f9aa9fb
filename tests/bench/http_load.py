"""One load generator for every server that is compared: wrk where it is installed, else our own.

A client that is slower than the server measures itself. Kannel's sendsms was once said to take 770
messages a second: that was the client.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.load import Figures, load, request

SCRIPT = Path(__file__).with_name("requests.lua")
SECONDS = 3
LATENCY = re.compile(r"^\s*(50|99)%\s+([\d.]+)(us|ms|s)$", re.MULTILINE)
RATE = re.compile(r"^Requests/sec:\s+([\d.]+)$", re.MULTILINE)
FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.+)")
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
OK = 200


def generator() -> str:
    """Return the name of the load generator that is used."""
    return "wrk" if shutil.which("wrk") else "the bench's own sockets"


def saturate(
    port: int, path: str, bodies: Sequence[bytes], *, api_key: str = "", connections: int = 16
) -> Figures:
    """Post the bodies in turn over so many connections, as fast as they are answered.

    An empty body is a GET. Fails unless all answers are 2xx.
    """
    if shutil.which("wrk") is None:
        get = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
        posts = [request(path, body, api_key) if body else get for body in bodies]
        figures = load(port, posts, connections)
        if any(status // 100 != OK // 100 for status in figures.statuses):
            raise SystemExit(f"not all were answered 2xx: {figures.statuses}")
        return figures
    with tempfile.NamedTemporaryFile() as lines:
        lines.write(b"\n".join(bodies) + b"\n")
        lines.flush()
        done = subprocess.run(
            [
                "wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", str(SCRIPT),
                f"http://127.0.0.1:{port}",
            ],
            env={
                **os.environ, "BENCH_BODIES": lines.name, "BENCH_PATH": path,
                "BENCH_METHOD": "POST" if bodies[0] else "GET",
                "BENCH_AUTHORIZATION": f"Bearer {api_key}",
            },
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return figures_of(done.stdout)


def figures_of(output: str) -> Figures:
    """Return the figures that wrk prints; fail if an answer was no 2xx."""
    if failed := FAILED.search(output):
        raise SystemExit(f"wrk: {failed[0]}")
    rate = RATE.search(output)
    if rate is None:
        raise SystemExit(f"wrk printed no rate: {output}")
    at = {name: float(value) * MILLISECONDS[unit] for name, value, unit in LATENCY.findall(output)}
    return Figures(float(rate[1]), at["50"], at["99"], {OK: 0})
