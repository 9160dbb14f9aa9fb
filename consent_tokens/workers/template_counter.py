"""The loop around what is done to templates off the way of a message: values and moves."""

import threading
from dataclasses import dataclass, field
from typing import Final

import structlog

from consent_tokens.errors import ConsentTokensError
from consent_tokens.services.admission.template_moves import apply_due_moves
from consent_tokens.services.admission.template_values import BATCH_SIZE, count_values
from consent_tokens.services.admission.texts_per_event import watch_texts_per_event
from consent_tokens.services.runtime import Runtime

log = structlog.get_logger()

POLL_SECONDS: Final = 2.0
ERROR_PAUSE_SECONDS: Final = 10.0


@dataclass
class TemplateCounter:
    """Count the values of accepted texts, and move templates, in a thread until it is stopped."""

    runtime: Runtime
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="template-counter")
        self._thread.start()

    def stop(self) -> None:
        """Finish the transaction that runs, and start no other."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                apply_due_moves(self.runtime)
                watch_texts_per_event(self.runtime)
                if count_values(self.runtime) == BATCH_SIZE:
                    continue
            except ConsentTokensError as error:
                log.warning("template_count_failed", reason=error.error_code)
                self._stop.wait(ERROR_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 - logged; the next turn tries again
                log.critical("template_count_faulty", fault=type(error).__name__)
                self._stop.wait(ERROR_PAUSE_SECONDS)
            self._stop.wait(POLL_SECONDS)
