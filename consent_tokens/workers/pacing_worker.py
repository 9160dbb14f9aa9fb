"""The loop around `services.admission.pacing`: lets texts of new templates go, part by part."""

import threading
from dataclasses import dataclass, field
from typing import Final

import structlog

from consent_tokens.errors import ConsentTokensError
from consent_tokens.policies import PacingPolicy
from consent_tokens.services.admission.pacing import pace
from consent_tokens.services.runtime import Runtime

log = structlog.get_logger()

POLL_SECONDS: Final = 5.0
ERROR_PAUSE_SECONDS: Final = 10.0


@dataclass
class PacingWorker:
    """Look at the pacings that are due in a thread, until it is stopped."""

    runtime: Runtime
    policy: PacingPolicy
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="pacing")
        self._thread.start()

    def stop(self) -> None:
        """Finish the pacing that is looked at, and look at no other."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if pace(self.runtime, self.policy, self._stop.is_set):
                    self.runtime.wake_dispatcher.set()
            except ConsentTokensError as error:
                log.warning("pacing_failed", reason=error.error_code)
                self._stop.wait(ERROR_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 - logged; the next turn tries again
                log.critical("pacing_faulty", fault=type(error).__name__)
                self._stop.wait(ERROR_PAUSE_SECONDS)
            self._stop.wait(POLL_SECONDS)
