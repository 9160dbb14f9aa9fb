"""One Chromium for all tests of a process, and a service of this process that it can visit."""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from playwright.sync_api import Browser, expect, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

from tests.processes import free_port
from tests.service import Service

expect.set_options(timeout=30_000)  # milliseconds, for a busy machine

QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass
class SharedBrowser:
    """A Chromium, and the event loop of Playwright that drives it.

    Playwright marks its loop as running in this thread for as long as it lives; a test that calls
    `asyncio.run` would fail.
    """

    chromium: Browser
    loop: asyncio.AbstractEventLoop

    @contextmanager
    def in_use(self) -> Iterator[Browser]:
        """Mark the loop as running, for a test of the browser, and not thereafter."""
        asyncio._set_running_loop(self.loop)
        yield self.chromium
        asyncio._set_running_loop(None)


@contextmanager
def shared_browser(executable: str) -> Iterator[SharedBrowser]:
    """Launch Chromium; close it at the end."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=QUIET)
        shared = SharedBrowser(launched, asyncio.get_running_loop())
        asyncio._set_running_loop(None)
        yield shared
        with shared.in_use():
            launched.close()
        asyncio._set_running_loop(shared.loop)


class _Silent(WSGIRequestHandler):
    def log_request(self, *_args: object, **_kwargs: object) -> None:
        """Log nothing: a test looks at the pages."""


def read_in_full(app: WSGIApplication) -> WSGIApplication:
    """Return an app whose answers are read, and their files closed, before they are sent.

    Werkzeug's server leaves a file open if the browser resets the connection.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body, status, headers = run_wsgi_app(app, environ, buffered=True)
        start_response(status, headers.to_wsgi_list())
        return body

    return answer


@contextmanager
def service_over_http(folder: Path, **changes: Any) -> Iterator[Service]:  # noqa: ANN401 - fields of AppContext
    """Serve a whole service of this process over HTTP, at the base URL that it has."""
    port = free_port()
    base = f"http://localhost:{port}"
    service = Service.start(f"sqlite:///{folder}/consent.db", folder / "keys", base_url=base)
    service = service.with_context(**changes)
    server = make_server(
        "127.0.0.1", port, read_in_full(service.app), threaded=True, request_handler=_Silent
    )
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield service
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
        service.close()
