"""`serve`, `web` and `dispatch`: the service in one process, and its two halves alone."""

import multiprocessing.util
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import click

from consent_tokens.app_context import AppContext, reject_simulator
from consent_tokens.cli.metrics_server import publish_metrics, publish_sums, shared_counters
from consent_tokens.cli.process_memory import share_malloc_arena, tune_garbage_collector
from consent_tokens.cli.setting_warnings import log_warnings
from consent_tokens.cli.web_server import check_port_is_free, serve_http
from consent_tokens.cli.worker_startup import (
    WorkerStartup,
    block_stop_signals,
    block_stop_signals_in_children,
    wait_for_stop,
)
from consent_tokens.errors import DatabaseBusyError, DatabaseUnavailableError
from consent_tokens.services.admission.senders import add_sender
from consent_tokens.services.dispatch.dispatcher_lock import acquire_dispatcher_lock
from consent_tokens.services.integrity.issuer import ensure_issuer
from consent_tokens.services.integrity.key_set import ensure_own_database
from consent_tokens.services.integrity.purposes import ensure_purposes
from consent_tokens.services.merchants import add_merchant
from consent_tokens.services.metrics_collector import metrics_registry
from consent_tokens.services.people import team
from consent_tokens.services.runtime import Runtime
from consent_tokens.settings import Settings, default_base_url, parse_bind
from consent_tokens.store import merchants
from consent_tokens.store.schema import is_usable, upgrade
from consent_tokens.web import create_app
from consent_tokens.web.addresses import base_path
from consent_tokens.web.rsgi import RsgiApp
from consent_tokens.workers.dispatcher import Dispatcher

FINALIZER_PRIORITY: Final = 100
DEMO_MERCHANT: Final = "晨光书店"
DEMONSTRATION_PERSON: Final = "Demonstration"
DEMO_PORT, DEMO_EXTENSION = "10690001", "01"  # not what an operator tries first


@click.command()
@click.option("--bind", help="Where to listen, such as 127.0.0.1:8000.")
def serve(bind: str | None) -> None:
    """Run everything in one process: web pages, API and dispatcher."""
    settings = _settings(bind)
    check_port_is_free(settings.bind)
    _initialize(settings)
    _serve(settings, 1, _load_all)


@click.command()
@click.option("--bind", help="Where to listen, such as 127.0.0.1:8000.")
@click.option("--workers", default=1, help="How many processes.")
def web(bind: str | None, workers: int) -> None:
    """Run the web half alone: pages and API."""
    settings = _settings(bind)
    reject_simulator(settings)
    check_port_is_free(settings.bind)
    _check_installation(settings)
    with shared_counters() as counters:
        _serve(settings, workers, _load_web, partial(publish_sums, settings, counters))


@click.command()
def dispatch() -> None:
    """Run the dispatcher alone."""
    settings = Settings.from_environment()
    reject_simulator(settings)
    _check_installation(settings)
    log_warnings(settings)
    block_stop_signals()
    share_malloc_arena()
    context = AppContext.from_settings(settings)
    dispatcher = Dispatcher(context)
    dispatcher.start()
    registry = metrics_registry(context.runtime, context.gateway)
    publish_metrics(settings.metrics_bind, registry)
    tune_garbage_collector()
    click.echo("consent-tokens: dispatching", err=True)
    wait_for_stop()
    dispatcher.stop()


def _settings(bind: str | None) -> Settings:
    """Return the settings, with another address to listen on if one is given.

    Where no base URL is set, it follows that address.
    """
    settings = Settings.from_environment()
    if bind is None:
        return settings
    host, port = parse_bind(bind, "--bind")
    service, unset, base_url = (
        settings.service,
        default_base_url(*settings.bind),
        default_base_url(host, port),
    )
    if service.issuer == unset:
        service = replace(service, issuer=base_url)
    if service.base_url == unset:
        service = replace(service, base_url=base_url)
    return replace(settings, bind=(host, port), service=service)


def _check_installation(settings: Settings) -> None:
    """Raise a NotReadyError if the database has other keys, tokens or purposes.

    While the database is away, readiness will ask instead: the process starts and waits.
    """
    runtime = AppContext.from_settings(settings).runtime
    try:
        if is_usable(runtime.database):
            ensure_own_database(runtime)
            ensure_issuer(runtime)
            ensure_purposes(runtime)
    except (DatabaseBusyError, DatabaseUnavailableError):
        return
    finally:
        runtime.database.close()


def _initialize(settings: Settings) -> None:
    """Create keys and tables, and with the simulator a demo merchant."""
    context = AppContext.from_settings(settings)
    runtime = context.runtime
    upgrade(runtime.database)
    ensure_own_database(runtime)
    ensure_issuer(runtime)
    ensure_purposes(runtime)
    # raise here, and not in the web process, if another dispatcher works on this database
    acquire_dispatcher_lock(runtime.database).release()
    if context.simulator and not runtime.database.read(merchants.list_all):
        _add_demo_merchant(runtime)
    if context.simulator and settings.service.is_loopback:
        print_demonstration_links(runtime)
    runtime.database.close()


def _add_demo_merchant(runtime: Runtime) -> None:
    admitted = add_merchant(runtime, DEMO_MERCHANT)
    add_sender(
        runtime,
        admitted.merchant.id,
        port=DEMO_PORT,
        extension=DEMO_EXTENSION,
        signature=DEMO_MERCHANT,
    )
    click.echo(f"Demo merchant: {DEMO_MERCHANT}, {admitted.merchant.id}", err=True)
    click.echo(f"Its API key, shown this once: {admitted.api_key}", err=True)


def print_demonstration_links(runtime: Runtime) -> None:
    """Print links that sign in to the consoles: only this machine reaches the service."""
    of_demonstration = [
        each for each in runtime.database.read(merchants.list_all) if each.is_demonstration
    ]
    if not of_demonstration:
        return
    operator, owner = team.demonstration_links(
        runtime, of_demonstration[0].id, DEMONSTRATION_PERSON
    )
    click.echo(f"Operator console, for a day: {operator}", err=True)
    click.echo(f"Merchant console, for a day: {owner}", err=True)


def _serve(
    settings: Settings,
    workers: int,
    load: Callable[[Settings, Callable[[], None]], RsgiApp],
    on_spawned: Callable[[], None] | None = None,
) -> None:
    log_warnings(settings)
    startup = WorkerStartup(partial(load, settings), settings.bind, settings.service.base_url)
    block_stop_signals_in_children()
    serve_http(settings.bind, workers, startup, on_spawned)


def _load_all(settings: Settings, on_start: Callable[[], None]) -> RsgiApp:
    """Return the app, with a dispatcher in the same process.

    The finalizer runs whenever granian's worker ends, except by SIGKILL: it closes the gateway,
    which smpp34 requires.
    """
    share_malloc_arena()
    context = AppContext.from_settings(settings)
    dispatcher = Dispatcher(context)
    dispatcher.start()
    registry = metrics_registry(context.runtime, context.gateway)
    publish_metrics(settings.metrics_bind, registry)
    multiprocessing.util.Finalize(None, dispatcher.stop, exitpriority=FINALIZER_PRIORITY)
    return _create_app(context, on_start)


def _load_web(settings: Settings, on_start: Callable[[], None]) -> RsgiApp:
    share_malloc_arena()
    return _create_app(AppContext.from_settings(settings), on_start)


def _create_app(context: AppContext, on_start: Callable[[], None]) -> RsgiApp:
    app = create_app(context)
    tune_garbage_collector()
    return RsgiApp(
        app,
        context.runtime.clock,
        base_path=base_path(context.runtime.service.base_url),
        on_start=on_start,
    )
