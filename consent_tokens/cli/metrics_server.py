"""Publish `/metrics` at an address of its own, away from the public port."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from consent_tokens import metrics
from consent_tokens.app_context import AppContext
from consent_tokens.services.metrics_collector import metrics_registry
from consent_tokens.settings import Settings

log = structlog.get_logger()


def publish_metrics(bind: tuple[str, int] | None, registry: CollectorRegistry) -> None:
    """Answer at `bind` from a thread, if there is one. A port in use is logged: sending goes on."""
    if bind is None:
        return
    host, port = bind
    try:
        start_http_server(port, host, registry=registry)
    except OSError as error:
        log.error("metrics_unavailable", host=host, port=port, reason=error.strerror)  # noqa: TRY400 - no traceback of ours helps


@contextmanager
def shared_counters() -> Iterator[CollectorRegistry]:
    """Count in files that all web processes write and this one adds up; return their registry.

    The files are in a folder of this start, so those of processes of before do not count.
    """
    with tempfile.TemporaryDirectory(prefix="consent-tokens-metrics-") as folder:
        metrics.share_between_processes(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]  # it has no types
        yield registry


def publish_sums(settings: Settings, counters: CollectorRegistry) -> None:
    """Publish the sums of all web processes, and what is read from the database."""
    runtime = AppContext.from_settings(settings).runtime
    publish_metrics(settings.metrics_bind, metrics_registry(runtime, counters=counters))
