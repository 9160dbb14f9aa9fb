"""The loop of the workers that look again and again for what is due, in a thread of their own."""

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import structlog

from consent_tokens.errors import ConsentTokensError
from consent_tokens.services.supervision.workers import Heartbeat

log = structlog.get_logger()


@dataclass
class PollingWorker(ABC):
    """Do what is due in a thread, until it is stopped; an error is logged, and no end of it."""

    thread_name: ClassVar[str]
    failed_event: ClassVar[str]  # name in the log of an expected error, with its reason
    faulty_event: ClassVar[str]  # and of any other
    poll_seconds: ClassVar[float]
    error_pause_seconds: ClassVar[float] = 10.0  # before the next look, in addition
    heartbeat: Heartbeat | None = field(default=None, kw_only=True)  # None: no row says it runs
    _stop: threading.Event = field(default_factory=threading.Event, kw_only=True)
    _thread: threading.Thread | None = field(default=None, kw_only=True)

    @abstractmethod
    def _do_due(self) -> bool:
        """Do what is due; return whether there is likely to be more at once."""

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=self.thread_name)
        self._thread.start()

    def stop(self) -> None:
        """Finish what runs, and start no more."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        if self.heartbeat:
            self.heartbeat.end()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if self.heartbeat:
                    self.heartbeat.beat()
                if self._do_due():
                    continue
            except ConsentTokensError as error:
                log.warning(self.failed_event, reason=error.error_code)
                self._remember(error.error_code)
                self._stop.wait(self.error_pause_seconds)
            except Exception as error:  # noqa: BLE001 - logged; the next turn tries again
                log.critical(self.faulty_event, fault=type(error).__name__)
                self._remember(type(error).__name__)
                self._stop.wait(self.error_pause_seconds)
            self._stop.wait(self.poll_seconds)

    def _remember(self, error: str) -> None:
        if self.heartbeat:
            self.heartbeat.failed(error)
