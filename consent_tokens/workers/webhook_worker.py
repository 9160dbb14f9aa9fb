"""The notifier's loop around `flow.notify`: each webhook at its own pace."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import structlog

from consent_tokens.app_context import World
from consent_tokens.errors import ConsentTokensError
from consent_tokens.services.webhooks import AT_ONCE, notify
from consent_tokens.store import webhooks

log = structlog.get_logger()

LOOK_SECONDS: Final = 0.5
TROUBLE_SECONDS: Final = 2.0
HANDS: Final = 16  # receivers that may be called, or hang, at once


@dataclass
class Notifier:
    """One notifier: a thread that looks, and hands that call."""

    world: World
    _stop: threading.Event = field(default_factory=threading.Event)
    _busy: set[str] = field(default_factory=set)
    _hands: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(HANDS, thread_name_prefix="webhook")
    )
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Go on in a thread of its own."""
        self._thread = threading.Thread(target=self._go_on, name="notifier")
        self._thread.start()

    def stop(self) -> None:
        """Finish the calls that are under way, and begin no more."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._hands.shutdown(wait=True, cancel_futures=True)

    def _go_on(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
            except ConsentTokensError as fault:
                log.warning("notify_failed", code=fault.code)
                self._stop.wait(TROUBLE_SECONDS)
            self._stop.wait(LOOK_SECONDS)

    def _look(self) -> None:
        if not self.world.store.has_journal:
            return
        now = self.world.clock.now()
        due = self.world.store.read(lambda transaction: webhooks.due(transaction, now))
        for webhook_id in due:
            if webhook_id not in self._busy:
                self._busy.add(webhook_id)
                self._hands.submit(self._tell, webhook_id)

    def _tell(self, webhook_id: str) -> None:
        """Tell one webhook all that is due for it."""
        try:
            while not self._stop.is_set() and notify(self.world, webhook_id) == AT_ONCE:
                pass
        except ConsentTokensError as fault:
            log.warning("notify_failed", code=fault.code)
        except Exception as fault:  # noqa: BLE001 - tells of it: nobody else looks at this thread
            log.critical("notify_faulty", fault=type(fault).__name__)
        finally:
            self._busy.discard(webhook_id)
