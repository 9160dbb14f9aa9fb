"""The notifier's loop around `flow.notify`: each webhook at its own pace."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import structlog

from consent_tokens.app_context import AppContext
from consent_tokens.errors import ConsentTokensError
from consent_tokens.services.webhooks import BATCH_SIZE, deliver
from consent_tokens.store import webhooks

log = structlog.get_logger()

POLL_SECONDS: Final = 0.5
ERROR_PAUSE_SECONDS: Final = 2.0
MAX_CONCURRENT_RECEIVERS: Final = 16  # receivers that may be called, or hang, at once


@dataclass
class WebhookWorker:
    """One notifier: a thread that looks, and hands that call."""

    world: AppContext
    _stop: threading.Event = field(default_factory=threading.Event)
    _busy: set[str] = field(default_factory=set)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(
            MAX_CONCURRENT_RECEIVERS, thread_name_prefix="webhook"
        )
    )
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Go on in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="notifier")
        self._thread.start()

    def stop(self) -> None:
        """Finish the calls that are under way, and begin no more."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._deliver_due()
            except ConsentTokensError as fault:
                log.warning("notify_failed", code=fault.error_code)
                self._stop.wait(ERROR_PAUSE_SECONDS)
            self._stop.wait(POLL_SECONDS)

    def _deliver_due(self) -> None:
        if not self.world.database.has_journal:
            return
        now = self.world.clock.now()
        due = self.world.database.read(lambda transaction: webhooks.due(transaction, now))
        for webhook_id in due:
            if webhook_id not in self._busy:
                self._busy.add(webhook_id)
                self._pool.submit(self._deliver_all, webhook_id)

    def _deliver_all(self, webhook_id: str) -> None:
        """Tell one webhook all that is due for it."""
        try:
            while not self._stop.is_set() and deliver(self.world, webhook_id) == BATCH_SIZE:
                pass
        except ConsentTokensError as fault:
            log.warning("notify_failed", code=fault.error_code)
        except Exception as fault:  # noqa: BLE001 - tells of it: nobody else looks at this thread
            log.critical("notify_faulty", fault=type(fault).__name__)
        finally:
            self._busy.discard(webhook_id)
