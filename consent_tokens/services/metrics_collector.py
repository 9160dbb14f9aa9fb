"""What is measured when somebody looks: the outbox, the line, and whether anything may leave."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric

from consent_tokens.app_context import AppContext
from consent_tokens.errors import ConsentTokensError
from consent_tokens.relay.message import Priority
from consent_tokens.services.integrity.readiness import ensure_ready
from consent_tokens.store import messages
from consent_tokens.store.database import Transaction

MAX_COUNTED: Final = 100_000  # a deeper outbox is told as this deep: counting costs


@dataclass(frozen=True, slots=True, eq=False)
class MetricsCollector:
    """Everything that this process counts, and what it looks up when asked."""

    world: AppContext
    counted: CollectorRegistry = field(default=REGISTRY)

    def collect(self) -> Iterable[Metric]:
        """Return all figures."""
        yield from self.counted.collect()
        yield self._ready()
        line = GaugeMetricFamily("consent_gateway_up", "Whether this process has a line.")
        line.add_metric([], float(self.world.gateway.is_up))
        yield line
        yield from self._outbox()

    def _ready(self) -> Metric:
        ready = GaugeMetricFamily("consent_ready", "Whether messages may leave.")
        try:
            ensure_ready(self.world)
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
        now = self.world.clock.now()

        def question(transaction: Transaction) -> None:
            for rank in Priority:
                count, first = messages.depth(transaction, rank, MAX_COUNTED)
                overdue = max(0.0, (now - first).total_seconds()) if first else 0.0
                depth.add_metric([rank.name.lower()], count)
                age.add_metric([rank.name.lower()], overdue)

        try:
            self.world.database.read(question)
        except ConsentTokensError:
            return
        yield depth
        yield age


def metrics_registry(world: AppContext) -> CollectorRegistry:
    """Return the registry of all figures of this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MetricsCollector(world))
    return registry
