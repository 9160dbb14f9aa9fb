"""A pool of threads with a queue of limited length: one for each class of requests."""

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final

import structlog

from consent_tokens.web.wsgi import Work

log = structlog.get_logger()

STOP_SECONDS: Final = 20.0  # that a stopping pool gives the requests it has taken


@dataclass(slots=True)
class RequestPool:
    """Threads that handle requests in the order of their arrival, at most `max_waiting` of them."""

    name: str
    threads: int
    max_waiting: int
    _queue: "SimpleQueue[Work | None]" = field(default_factory=SimpleQueue)
    _started: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Start the threads."""
        for number in range(self.threads):
            thread = threading.Thread(target=self._run, name=f"{self.name}-{number}", daemon=True)
            thread.start()
            self._started.append(thread)

    def submit(self, work: Work) -> bool:
        """Queue work, which must not raise. Return whether there was room for it."""
        if self._queue.qsize() >= self.max_waiting:
            return False
        self._queue.put(work)
        return True

    def stop(self) -> None:
        """Finish what is queued, and end the threads; give up after STOP_SECONDS."""
        for _ in self._started:
            self._queue.put(None)
        for thread in self._started:
            thread.join(STOP_SECONDS)
        self._started.clear()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            _do(work)
        with suppress(Empty):  # what the last work queued itself
            while (work := self._queue.get_nowait()) is not None:
                _do(work)
            self._queue.put(None)  # of another thread


def _do(work: Work) -> None:
    """Do work; a fault of it costs no thread."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - logged
        with suppress(OSError):  # of a log that cannot be written
            log.critical("work_faulty", fault=type(error).__name__)
