"""The worker around `services.webhooks`: each webhook at its own pace."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import structlog

from consent_tokens.app_context import AppContext
from consent_tokens.errors import ConsentTokensError
from consent_tokens.services.webhooks import BATCH_SIZE, deliver, due_webhooks
from consent_tokens.workers.polling_worker import PollingWorker

log = structlog.get_logger()

MAX_CONCURRENT_RECEIVERS: Final = 32  # receivers that may be called, or hang, at once
MAX_RECEIVERS_OF_MERCHANT: Final = 2  # of them, of one merchant


@dataclass
class WebhookWorker(PollingWorker):
    """Poll for due webhook events in one thread, and deliver them in a pool of threads."""

    thread_name = "webhook-worker"
    failed_event, faulty_event = "webhook_delivery_failed", "webhook_delivery_faulty"
    poll_seconds, error_pause_seconds = 0.5, 2.0
    context: AppContext
    _busy: dict[str, str] = field(default_factory=dict)  # merchants of webhooks being called
    _changing: threading.Lock = field(default_factory=threading.Lock)  # of `_busy`
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(
            MAX_CONCURRENT_RECEIVERS, thread_name_prefix="webhook"
        )
    )

    def stop(self) -> None:
        """Finish the calls that are in flight, and start no more."""
        super().stop()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _do_due(self) -> bool:
        """Submit the webhooks that have a due event to the pool, as many as may be called.

        A webhook is called from one thread, and a merchant's webhooks from a few, so that slow
        receivers of one merchant leave threads for others.
        """
        for webhook_id, merchant_id in due_webhooks(self.context.runtime):
            with self._changing:
                busy = list(self._busy.values())
                may_start = (
                    webhook_id not in self._busy
                    and len(busy) < MAX_CONCURRENT_RECEIVERS
                    and busy.count(merchant_id) < MAX_RECEIVERS_OF_MERCHANT
                )
                if may_start:
                    self._busy[webhook_id] = merchant_id
            if may_start:
                self._pool.submit(self._deliver_all, webhook_id)
        return False

    def _deliver_all(self, webhook_id: str) -> None:
        """Deliver every due event of one webhook."""
        runtime, client = self.context.runtime, self.context.webhook_client
        try:
            while not self._stop.is_set() and deliver(runtime, client, webhook_id) == BATCH_SIZE:
                pass
        except ConsentTokensError as error:
            log.warning("webhook_delivery_failed", reason=error.error_code)
            self._remember(error.error_code)
        except Exception as error:  # noqa: BLE001 - logged: nothing reads this thread's result
            log.critical("webhook_delivery_faulty", fault=type(error).__name__)
            self._remember(type(error).__name__)
        finally:
            with self._changing:
                del self._busy[webhook_id]
