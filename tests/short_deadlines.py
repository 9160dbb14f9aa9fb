"""`python -m tests.short_deadlines PORT FOLDER`: a web process whose deadlines a test can await.

It trusts one proxy, and `/v1/client` says whom it takes for the client.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flask import request

from consent_tokens.cli.web_server import serve_http
from consent_tokens.cli.worker_startup import WorkerStartup, block_stop_signals_in_children
from consent_tokens.clock import SystemClock
from consent_tokens.store import schema
from consent_tokens.web import create_app
from consent_tokens.web.rsgi import RsgiApp, ServingLimits
from tests.service import make_context

LIMITS = ServingLimits(
    body_seconds=1.0, queue_seconds=1.0, buffered_bytes=10_000_000, submission_threads=1,
    submissions_waiting=1,
)  # fmt: skip


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    bind = ("127.0.0.1", port)

    def load(on_start: Callable[[], None]) -> RsgiApp:
        made = make_context(
            f"sqlite:///{folder}/consent.db", folder / "keys", clock=SystemClock(),
            base_url=f"http://127.0.0.1:{port}",
        )  # fmt: skip
        schema.upgrade(made.runtime.database)
        app = create_app(replace(made, trusted_proxies=1, api_rate=0))

        @app.get("/v1/client")
        def client() -> dict[str, str | None]:
            return {"ip": request.remote_addr, "scheme": request.scheme}

        @app.get("/v1/wait")
        def wait() -> dict[str, bool]:
            """Occupy a thread until the test removes a file."""
            (folder / "waiting").touch()
            while (folder / "waiting").exists():
                os.sched_yield()
            return {"waited": True}

        return RsgiApp(app, SystemClock(), LIMITS, on_start=on_start)

    block_stop_signals_in_children()
    serve_http(bind, 1, WorkerStartup(load, bind, f"http://127.0.0.1:{port}"))


if __name__ == "__main__":
    main()
