"""What is measured when somebody looks: the outbox, the line, and whether anything may leave."""

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
from consent_tokens.store import outbox
from consent_tokens.store.database import Transaction

MAX_COUNTED: Final = 100_000  # a deeper outbox is told as this deep: counting costs


@dataclass(frozen=True, slots=True, eq=False)
class MetricsCollector:
    """Everything that this process counts, and what it looks up when asked."""

    runtime: Runtime
    gateway: Gateway
    counted: CollectorRegistry = field(default=REGISTRY)

    def collect(self) -> Iterable[Metric]:
        """Return all figures."""
        yield from self.counted.collect()
        yield self._ready()
        event = GaugeMetricFamily("consent_gateway_up", "Whether this process has a line.")
        event.add_metric([], float(self.gateway.is_up))
        yield event
        yield from self._outbox()

    def _ready(self) -> Metric:
        ready = GaugeMetricFamily("consent_ready", "Whether messages may leave.")
        try:
            ensure_ready(self.runtime)
        except ConsentTokensError:
            ready.add_metric([], 0.0)
        else:
            ready.add_metric([], 1.0)
        return ready

    def _outbox(self) -> Iterable[Metric]:
        depth = GaugeMetricFamily(
            "consent_outbox_depth", "Messages that wait, up to 100000.", labels=["rank"]
        )
        age = GaugeMetricFamily(
            "consent_outbox_age_seconds", "How long the first is overdue.", labels=["rank"]
        )
        now = self.runtime.clock.now()

        def query(transaction: Transaction) -> None:
            for rank in Priority:
                count, first = outbox.depth(transaction, rank, MAX_COUNTED)
                overdue = max(0.0, (now - first).total_seconds()) if first else 0.0
                depth.add_metric([rank.name.lower()], count)
                age.add_metric([rank.name.lower()], overdue)

        try:
            self.runtime.database.read(query)
        except ConsentTokensError:
            return
        yield depth
        yield age


def metrics_registry(runtime: Runtime, gateway: Gateway) -> CollectorRegistry:
    """Return the registry of all figures of this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MetricsCollector(runtime, gateway))
    return registry
