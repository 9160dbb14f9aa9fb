"""Apps on granian in a process of their own, as `consent-tokens web` runs them."""

import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask

from consent_tokens.cli.process_memory import share_malloc_arena, tune_garbage_collector
from consent_tokens.cli.web_server import serve_http
from consent_tokens.clock import SystemClock
from consent_tokens.web import create_app
from consent_tokens.web.rsgi import RsgiApp
from tests.bench.contexts import bench_context
from tests.processes import free_port


def _serve(make: Callable[[], Flask], port: int, workers: int) -> None:
    serve_http(("127.0.0.1", port), workers, lambda: RsgiApp(make(), SystemClock()))


@contextmanager
def serving(make: Callable[[], Flask], workers: int = 1) -> Iterator[int]:
    """Run an app, and yield its port once it listens. It has answered nothing yet: it is cold."""
    port = free_port()
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(make, port, workers))
    process.start()
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise TimeoutError("the app to be measured does not listen")
        yield port
    finally:
        process.terminate()
        process.join()


def service_app(url: str, keys: Path) -> Callable[[], Flask]:
    """Return what makes the service's app on a database."""

    def make() -> Flask:
        share_malloc_arena()
        made = create_app(bench_context(url, keys))
        tune_garbage_collector()
        return made

    return make
