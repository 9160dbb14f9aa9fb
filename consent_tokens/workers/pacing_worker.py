"""The worker around `services.admission.pacing`: lets texts of new templates go, part by part."""

from dataclasses import dataclass

from consent_tokens.policies import PacingPolicy
from consent_tokens.services.admission.pacing import pace
from consent_tokens.services.runtime import Runtime
from consent_tokens.workers.polling_worker import PollingWorker


@dataclass
class PacingWorker(PollingWorker):
    """Look at the pacings that are due in a thread, until it is stopped."""

    thread_name = "pacing"
    failed_event, faulty_event = "pacing_failed", "pacing_faulty"
    poll_seconds = 5.0
    runtime: Runtime
    policy: PacingPolicy

    def _do_due(self) -> bool:
        if pace(self.runtime, self.policy, self._stop.is_set):
            self.runtime.wake_dispatcher.set()
        return False
