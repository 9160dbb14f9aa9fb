"""The worker around what is done to templates off the way of a message: values and moves."""

from dataclasses import dataclass

from consent_tokens.services.admission.template_moves import apply_due_moves
from consent_tokens.services.admission.template_values import BATCH_SIZE, count_values
from consent_tokens.services.admission.texts_per_event import watch_texts_per_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.workers.polling_worker import PollingWorker


@dataclass
class TemplateCounter(PollingWorker):
    """Count the values of accepted texts, and move templates, in a thread until it is stopped."""

    thread_name = "template-counter"
    failed_event, faulty_event = "template_count_failed", "template_count_faulty"
    poll_seconds = 2.0
    runtime: Runtime

    def _do_due(self) -> bool:
        apply_due_moves(self.runtime)
        watch_texts_per_event(self.runtime)
        return count_values(self.runtime) == BATCH_SIZE
