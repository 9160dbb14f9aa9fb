"""Metrics that are read at scrape time: readiness, gateway session, outbox depth and age."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric

from consent_tokens.errors import ConsentTokensError
from consent_tokens.gateways.base import Gateway
from consent_tokens.relay.message import Priority
from consent_tokens.services.integrity.readiness import ensure_ready
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import outbox, pacings
from consent_tokens.store.database import Transaction

MAX_COUNTED: Final = 100_000  # messages; counting more would cost too much


@dataclass(frozen=True, slots=True, eq=False)
class MetricsCollector:
    """Collector of counters, and of the gauges read from the database and the gateway.

    A process without a gateway has no gauge of one.
    """

    runtime: Runtime
    gateway: Gateway | None = None
    counters: CollectorRegistry = field(default=REGISTRY)

    def collect(self) -> Iterable[Metric]:
        """Return all metrics. Leaves out the outbox gauges while the database is unavailable."""
        yield from self.counters.collect()
        yield self._ready()
        if self.gateway:
            gateway_up = GaugeMetricFamily(
                "consent_gateway_up", "Whether this process is connected to the gateway."
            )
            gateway_up.add_metric([], float(self.gateway.is_up))
            yield gateway_up
        yield from self._outbox()

    def _ready(self) -> Metric:
        ready = GaugeMetricFamily("consent_ready", "Whether messages may be accepted and sent.")
        try:
            ensure_ready(self.runtime)
        except ConsentTokensError:
            ready.add_metric([], 0.0)
        else:
            ready.add_metric([], 1.0)
        return ready

    def _outbox(self) -> Iterable[Metric]:
        depth = GaugeMetricFamily(
            "consent_outbox_depth", "Queued messages, up to 100000.", labels=["priority"]
        )
        age = GaugeMetricFamily(
            "consent_outbox_age_seconds",
            "Seconds since the first queued message became due.",
            labels=["priority"],
        )
        waiting = GaugeMetricFamily(
            "consent_pacings_waiting", "Held new templates that wait for a person's decision."
        )
        now = self.runtime.clock.now()

        def query(transaction: Transaction) -> None:
            for priority in Priority:
                count, first_due = outbox.depth(transaction, priority, MAX_COUNTED)
                overdue = max(0.0, (now - first_due).total_seconds()) if first_due else 0.0
                depth.add_metric([priority.name.lower()], count)
                age.add_metric([priority.name.lower()], overdue)
            waiting.add_metric([], pacings.count_waiting(transaction))

        try:
            self.runtime.database.read(query)
        except ConsentTokensError:
            return
        yield depth
        yield age
        yield waiting


def metrics_registry(
    runtime: Runtime, gateway: Gateway | None = None, *, counters: CollectorRegistry = REGISTRY
) -> CollectorRegistry:
    """Return a registry of all metrics: by default with the counters of this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MetricsCollector(runtime, gateway, counters))
    return registry
