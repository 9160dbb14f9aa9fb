"""The worker around `services.rollups`: adds what was counted to the counts of the day."""

from dataclasses import dataclass

from consent_tokens.services.rollups.counting import BATCH_SIZE, add_increments
from consent_tokens.services.runtime import Runtime
from consent_tokens.workers.polling_worker import PollingWorker


@dataclass
class RollupWorker(PollingWorker):
    """Add what was counted, in a thread until it is stopped."""

    thread_name = "rollups"
    failed_event, faulty_event = "rollup_failed", "rollup_faulty"
    poll_seconds = 10.0  # as old as the figures of the consoles may be
    runtime: Runtime

    def _do_due(self) -> bool:
        return add_increments(self.runtime) == BATCH_SIZE
