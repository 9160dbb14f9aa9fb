"""`serve`, `web` and `dispatch`: the service in one process, and its two halves alone."""

import gc
import multiprocessing.util
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import click
import structlog
from granian.constants import Interfaces
from granian.server import Server
from prometheus_client import start_http_server

from consent_tokens.app_context import AppContext
from consent_tokens.cli.worker_startup import (
    WorkerStartup,
    block_stop_signals,
    block_stop_signals_in_children,
    wait_for_stop,
)
from consent_tokens.services import merchants as admit
from consent_tokens.services.metrics_collector import metrics_registry
from consent_tokens.settings import Settings, parse_bind
from consent_tokens.store import merchants
from consent_tokens.store.dispatcher_lock import acquire_dispatcher_lock
from consent_tokens.store.schema import upgrade
from consent_tokens.web import create_app
from consent_tokens.workers.dispatcher import Dispatcher

log = structlog.get_logger()

THREADS: Final = 16  # of one web process: while one waits for the disk, others come and share it
STOP_SECONDS: Final = 30  # after which a web process that does not stop is killed
GC_THRESHOLDS: Final = (50_000, 20, 50)  # objects made, and collections of the next age
FINALIZER_PRIORITY: Final = 100
DEMO_MERCHANT: Final = "晨光书店"
DEMO_PORT, DEMO_EXTENSION = "10690001", "12"


@click.command()
@click.option("--bind", help="Where to listen, such as 127.0.0.1:8000.")
def serve(bind: str | None) -> None:
    """Run everything in one place: web pages, API and dispatcher."""
    settings = _settings(bind)
    _initialize(settings)
    _serve(settings, 1, partial(_load_all, settings))


@click.command()
@click.option("--bind", help="Where to listen, such as 127.0.0.1:8000.")
@click.option("--workers", default=1, help="How many processes.")
def web(bind: str | None, workers: int) -> None:
    """Run the web half alone: pages and API."""
    settings = _settings(bind)
    _refuse_simulator(settings)
    _serve(settings, workers, partial(_load_web, settings))


@click.command()
def dispatch() -> None:
    """Run the dispatcher alone."""
    settings = Settings.from_environment()
    _refuse_simulator(settings)
    block_stop_signals()
    world = AppContext.of(settings)
    dispatcher = Dispatcher(world)
    dispatcher.start()
    if settings.metrics_bind:
        host, port = settings.metrics_bind
        start_http_server(port, host, registry=metrics_registry(world))
    tune_garbage_collector()
    click.echo("consent-tokens: dispatching", err=True)
    wait_for_stop()
    dispatcher.stop()


def _refuse_simulator(settings: Settings) -> None:
    if settings.gateway_url.startswith("simulator:"):
        raise click.UsageError("the simulator lives in one process: use `serve`, or set a gateway")


def _settings(bind: str | None) -> Settings:
    """Return the settings, with another address to listen at if one is given.

    Where no base URL is set, it follows the address.
    """
    if bind is None:
        return Settings.from_environment()
    host, port = parse_bind(bind, "--bind")
    settings = Settings.from_environment()
    follows = settings.base_url == f"http://{settings.bind[0]}:{settings.bind[1]}"
    base_url = f"http://{host}:{port}" if follows else settings.base_url
    return replace(settings, bind=(host, port), base_url=base_url)


def _initialize(settings: Settings) -> None:
    """Make keys and tables, and with the simulator a merchant to try things with."""
    world = AppContext.of(settings)
    upgrade(world.database)
    acquire_dispatcher_lock(
        world.database
    ).release()  # say so here and now if another dispatcher is at work
    if world.simulator and not world.database.read(merchants.list_all):
        admitted = admit.add_merchant(world, DEMO_MERCHANT)
        admit.add_sender(
            world,
            admitted.merchant.id,
            port=DEMO_PORT,
            extension=DEMO_EXTENSION,
            signature=DEMO_MERCHANT,
        )
        click.echo(
            f"A merchant to try things with: {DEMO_MERCHANT}, {admitted.merchant.id}", err=True
        )
        click.echo(f"Its API key, shown this once: {admitted.api_key}", err=True)
    world.database.close()


def _serve(settings: Settings, workers: int, load: Callable[[], Any]) -> None:
    host, port = settings.bind
    beginning = WorkerStartup(load, settings.bind, settings.base_url)
    block_stop_signals_in_children()
    server = Server(
        target="consent_tokens",  # only a name for the process list: `load` makes the app
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS,
        log_enabled=False,
        workers_kill_timeout=STOP_SECONDS,
    )
    server.serve(target_loader=beginning, wrap_loader=False)


def _load_all(settings: Settings) -> Any:  # noqa: ANN401 - a WSGI app
    """Return the app, with a dispatcher beside it in the same process.

    The finalizer runs on every way out of granian's worker but SIGKILL: it closes the gateway,
    which smpp34 insists on.
    """
    world = AppContext.of(settings)
    dispatcher = Dispatcher(world)
    dispatcher.start()
    multiprocessing.util.Finalize(None, dispatcher.stop, exitpriority=FINALIZER_PRIORITY)
    return _create_app(world)


def _load_web(settings: Settings) -> Any:  # noqa: ANN401 - a WSGI app
    return _create_app(AppContext.of(settings))


def tune_garbage_collector() -> None:
    """Let the garbage collector leave alone what lives as long as the process.

    A batch makes thousands of objects that are gone with it; looking through all that was loaded at
    start-up for each few hundred of them costs a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _create_app(world: AppContext) -> Any:  # noqa: ANN401 - a WSGI app
    app = create_app(world)
    tune_garbage_collector()
    return app
