"""Workers and queues: which workers run, what they send, and what waits.

A worker writes a row of its own every few seconds, so that a web process can show it.
"""

import os
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.errors import ConsentTokensError
from consent_tokens.relay.message import Priority
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import dispatch_pauses, queue_state, workers
from consent_tokens.store.database import Transaction
from consent_tokens.store.queue_state import Queue
from consent_tokens.store.workers import Worker, WorkerKind, WorkerState

__all__ = ["Queue", "Worker", "WorkerKind", "WorkerState"]

BEAT_SECONDS: Final = 5.0  # between two writes of a worker's row
ABSENT_AFTER: Final = timedelta(seconds=30)  # without one; a long round may take some seconds
FORGOTTEN_AFTER: Final = timedelta(days=1)  # then the row of a worker that was killed is deleted
RATE_BEATS: Final = 12  # over which the throughput is taken: a minute
MAX_COUNTED: Final = 10_000  # of each queue
MAX_HOST_LENGTH: Final = 64  # characters
MAX_ERROR_LENGTH: Final = 60


@dataclass(slots=True)
class Heartbeat:
    """Writes the row of one worker. One thread uses it, but `failed` may be called from any."""

    runtime: Runtime
    kind: WorkerKind
    id: str = field(init=False)
    _started_at: datetime = field(init=False)
    _beaten_at: float = float("-inf")  # monotonic seconds
    _error: tuple[str | None, datetime | None] = (None, None)  # the last one, and when

    def __post_init__(self) -> None:
        self.id = f"wrk_{self.runtime.random.token_bytes(8).hex()}"
        self._started_at = self.runtime.clock.now()

    @property
    def is_due(self) -> bool:
        """Whether the row is to be written again."""
        return self.runtime.clock.monotonic() - self._beaten_at >= BEAT_SECONDS

    def failed(self, error_code: str) -> None:
        """Remember the last error; the next beat writes it."""
        self._error = error_code[:MAX_ERROR_LENGTH], self.runtime.clock.now()

    def beat(self, state: WorkerState = WorkerState()) -> None:  # noqa: B008 - it is frozen
        """Write the row, if it is due. Raises what the database raises."""
        if not self.is_due:
            return
        error, error_at = self._error
        worker = Worker(
            id=self.id,
            kind=self.kind,
            host=socket.gethostname()[:MAX_HOST_LENGTH],
            process_id=os.getpid(),
            started_at=self._started_at,
            seen_at=self.runtime.clock.now(),
            state=replace(state, error=error, error_at=error_at),
        )
        self.runtime.database.run(lambda transaction: workers.save(transaction, worker))
        self._beaten_at = self.runtime.clock.monotonic()

    def end(self) -> None:
        """Delete the row: the worker ends. Without a database it stays, and is seen as absent.

        A dispatcher that was drained is drained no more.
        """

        def work(transaction: Transaction) -> None:
            workers.remove(transaction, self.id)
            dispatch_pauses.end_of_gone_workers(transaction)

        with suppress(ConsentTokensError):
            self.runtime.database.run(work)


@dataclass(slots=True)
class Rate:
    """How much was counted in the last minute, from counts that are taken at each beat."""

    _samples: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=RATE_BEATS + 1))
    _total: int = 0

    def count(self, more: int) -> None:
        """Count more."""
        self._total += more

    def per_minute(self, now: float) -> int:
        """Take a sample at `now` (monotonic seconds); return the rate since the oldest one."""
        self._samples.append((now, self._total))
        since, total = self._samples[0]
        return round((self._total - total) * 60 / (now - since)) if now > since else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """How dispatch stands. Queues are counted up to MAX_COUNTED."""

    now: datetime
    workers: Sequence[Worker]
    messages: Mapping[str, Queue]  # by priority
    webhooks: Queue
    in_flight: int

    def is_absent(self, worker: Worker) -> bool:
        """Whether a worker has not written its row for too long."""
        return self.now - worker.seen_at > ABSENT_AFTER

    def age(self, queue: Queue) -> timedelta | None:
        """Return for how long the first of a queue is due; None if nothing is due yet."""
        first = queue.first_due
        return self.now - first if first is not None and first <= self.now else None


def read_operation(runtime: Runtime) -> Operation:
    """Return the workers, and the queues with the age of the oldest."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> Operation:
        return Operation(
            now=now,
            workers=workers.list_all(transaction),
            messages={
                each.name.lower(): queue_state.of_messages(transaction, each, MAX_COUNTED + 1)
                for each in Priority
            },
            webhooks=queue_state.of_webhooks(transaction, MAX_COUNTED + 1),
            in_flight=queue_state.count_in_flight(transaction, MAX_COUNTED + 1),
        )

    return runtime.database.read(query)


def forget_workers(runtime: Runtime) -> None:
    """Delete the rows of workers that were killed long ago."""
    before = runtime.clock.now() - FORGOTTEN_AFTER

    def work(transaction: Transaction) -> None:
        workers.remove_unseen(transaction, before)
        dispatch_pauses.end_of_gone_workers(transaction)

    runtime.database.run(work)
