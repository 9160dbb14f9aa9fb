"""The SMPP gateway, on the dispatcher's side; the sessions run in a client process.

The number of messages that are in flight, or answered but not recorded yet, never exceeds the sum
of the sessions' windows: however the process ends, no more outcomes than that are uncertain
(promise 7).
"""

import os
import select
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue
from typing import Final

import structlog
from msgspec import DecodeError

from consent_tokens.gateways.base import (
    InboundEvent,
    Sessions,
    Submission,
    SubmitOutcome,
    SubmitResult,
    Uncertain,
    Unsent,
)
from consent_tokens.gateways.regions import DEFAULT_REGION
from consent_tokens.gateways.smpp.config import BindConfig
from consent_tokens.gateways.smpp.ipc import (
    BindStatus,
    Heartbeat,
    InboundMessage,
    Open,
    ReportReceived,
    Stop,
    Submit,
    SubmitRequest,
    SubmitResults,
    Unreadable,
    decode_event,
    decode_notification,
    encode_frame,
    encode_submission,
)

log = structlog.get_logger()

CLIENT_COMMAND: Final = (sys.executable, "-P", "-m", "consent_tokens.gateways.smpp")
RESTART_SECONDS: Final = 0.3  # before a client that ended by itself is started again
MAX_SILENT_SECONDS: Final = 15  # without a heartbeat; then the client is killed
CLOSE_TIMEOUT_SECONDS: Final = 10.0  # for unbinding; then the client is killed
MAX_QUEUED_EVENTS: Final = 100_000  # not yet polled; the oldest are dropped
READ_BYTES: Final = 1024 * 1024
DEADLINE_CHECK_SECONDS: Final = 1.0  # between looks at what waits for a place in the window


@dataclass(slots=True, eq=False)
class _SubmittedBatch:
    """The messages of one call of `submit`, and their results in groups as they arrive."""

    groups: SimpleQueue[list[SubmitResult]] = field(default_factory=SimpleQueue)
    unrecorded: int = 0  # results that the caller has not recorded yet
    is_abandoned: bool = False  # the caller has closed the iterator


class SmppGateway:
    """One or several sessions, to one carrier or to several that back each other up.

    `urls` are separated by spaces; `jitter` returns a number from 0 to 1 for each session;
    `default_region` is that of numbers without a country code, where a URL names no other. Raises
    SettingError.
    """

    def __init__(
        self,
        urls: str,
        jitter: Callable[[], float] = lambda: 0.0,
        default_region: str = DEFAULT_REGION,
    ) -> None:
        configs = BindConfig.parse_all(urls, default_region)
        self._open_command = Open(urls, [jitter() for _ in configs], default_region)
        self._thread = threading.Thread(target=self._supervise, name="smpp", daemon=True)
        self._stop = threading.Event()
        self._events: deque[InboundEvent] = deque(maxlen=MAX_QUEUED_EVENTS)
        self._on_event: Callable[[], None] = lambda: None
        self._inherited_fds: Sequence[int] = ()
        self._configured = len(configs)  # sessions
        self._bound = 0  # of them are bound
        self._fault: str | None = None  # of the session that failed last
        self._lock = threading.Lock()  # guards the fields below
        self._client: subprocess.Popen[bytes] | None = None
        self._free = sum(config.window for config in configs)  # places in the window
        self._waiting: deque[tuple[_SubmittedBatch, int, Submission]] = deque()
        self._tickets = count()
        self._pending: dict[int, tuple[_SubmittedBatch, int]] = {}  # by ticket: in flight

    @property
    def name(self) -> str:
        """Return the kind of gateway, for logs and metrics."""
        return "smpp"

    @property
    def is_up(self) -> bool:
        """Whether any session is bound."""
        return self._bound > 0

    @property
    def sessions(self) -> Sessions:
        """Return how many sessions are bound, and why not all are."""
        is_complete = self._bound == self._configured
        return Sessions(self._bound, self._configured, None if is_complete else self._fault)

    def open(self, on_event: Callable[[], None], inherited_fds: Sequence[int] = ()) -> None:
        """Start the client process, which binds in the background."""
        self._on_event, self._inherited_fds = on_event, inherited_fds
        self._thread.start()

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        """Submit concurrently over all bound sessions, as many at once as their windows allow.

        Starts at once, after earlier batches. Each recorded result frees a place in the window.
        """
        results = self._results(submissions)
        next(results)  # enqueues the batch; from here on closing the iterator cleans up
        return results

    def _results(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        """Enqueue a batch and yield its results: first an empty group, then those that arrived."""
        batch, remaining = _SubmittedBatch(), len(submissions)
        with self._lock:
            self._waiting.extend((batch, index, each) for index, each in enumerate(submissions))
            self._submit_waiting()
        try:
            yield []
            while remaining:
                group = self._next_group(batch)
                with suppress(Empty):
                    while True:
                        group += batch.groups.get_nowait()
                yield group
                remaining -= len(group)
                with self._lock:
                    batch.unrecorded -= len(group)
                    self._free += len(group)
                    self._submit_waiting()
        finally:
            with self._lock:  # the rest is not reported; its places in the window become free
                batch.is_abandoned = True
                self._free += batch.unrecorded
                self._submit_waiting()

    def _next_group(self, batch: _SubmittedBatch) -> list[SubmitResult]:
        """Wait for results of a batch; what got no place in the window ends at its deadline."""
        while True:
            try:
                return batch.groups.get(timeout=DEADLINE_CHECK_SECONDS)
            except Empty:
                with self._lock:
                    self._expire_waiting(batch)

    def poll(self) -> list[InboundEvent]:
        """Return the reports and inbound messages since the last call."""
        events: list[InboundEvent] = []
        while self._events:
            events.append(self._events.popleft())
        return events

    def close(self) -> None:
        """Unbind, and wait until the client process has ended."""
        self._stop.set()
        with self._lock:
            self._write(encode_frame(Stop()))
        if self._thread.is_alive():
            self._thread.join(CLOSE_TIMEOUT_SECONDS)
            self._kill_client()
            self._thread.join()

    # --- with the lock held ---------------------------------------------------------------------

    def _submit_waiting(self) -> None:
        """Send waiting messages to the client while the window has places."""
        messages: list[SubmitRequest] = []
        unsent: list[tuple[_SubmittedBatch, int]] = []
        while self._free > 0 and self._waiting:
            batch, index, submission = self._waiting.popleft()
            if batch.is_abandoned:
                continue
            self._free -= 1
            if self._client is None or submission.deadline.is_past:
                unsent.append((batch, index))
                continue
            ticket = next(self._tickets)
            self._pending[ticket] = batch, index
            messages.append(encode_submission(ticket, submission))
        if messages:
            self._write(encode_frame(Submit(messages)))
        self._answer_unsent(unsent)

    def _expire_waiting(self, batch: _SubmittedBatch) -> None:
        """Answer for the waiting messages of a batch whose deadline is past.

        Until that is recorded, each takes a place: there may be fewer than none free.
        """
        unsent: list[tuple[_SubmittedBatch, int]] = []
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            of_batch, index, submission = each
            if of_batch is batch and submission.deadline.is_past:
                unsent.append((batch, index))
            else:
                self._waiting.append(each)
        self._free -= len(unsent)
        self._answer_unsent(unsent)

    def _answer_unsent(self, unsent: Sequence[tuple[_SubmittedBatch, int]]) -> None:
        for batch, index in unsent:
            batch.unrecorded += 1
            batch.groups.put([(index, Unsent())])

    def _write(self, line: bytes) -> None:
        """Write to the client. If it has ended, the reading thread fails what is pending."""
        if self._client and self._client.stdin:
            rest = memoryview(line)
            with suppress(OSError):
                while rest:
                    rest = rest[self._client.stdin.write(rest) :]

    # --- of the thread that reads ---------------------------------------------------------------

    def _supervise(self) -> None:
        """Run a client process, and start another if it ends by itself, until `close`."""
        while not self._stop.is_set():
            try:
                code = self._run_client()
            except (OSError, DecodeError) as error:
                log.critical("gateway_lost", gateway="smpp", fault=type(error).__name__)
            else:
                if not self._stop.is_set():
                    log.critical("gateway_lost", gateway="smpp", code=code)
            self._stop.wait(RESTART_SECONDS)

    def _run_client(self) -> int:
        """Run one client process; return its exit code. Raises OSError, DecodeError."""
        with subprocess.Popen(  # noqa: S603 - this package's own module
            CLIENT_COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=self._inherited_fds,
        ) as client:
            with self._lock:
                self._client = client
                self._write(encode_frame(self._open_command))
                if self._stop.is_set():
                    self._write(encode_frame(Stop()))
            try:
                self._read_notifications(client)
            except DecodeError:
                client.kill()  # perhaps of another version, after an upgrade
                raise
            finally:
                self._fail_pending()
        return client.returncode

    def _read_notifications(self, client: subprocess.Popen[bytes]) -> None:
        """Handle the client's notifications until it ends; kill it when it hangs."""
        output = client.stdout.fileno() if client.stdout else -1
        silent_seconds, rest = 0, b""
        while silent_seconds < MAX_SILENT_SECONDS:
            readable, _, _ = select.select([output], [], [], 1.0)
            if not readable:
                silent_seconds += 1
                continue
            silent_seconds, data = 0, os.read(output, READ_BYTES)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._handle(line)
        client.kill()

    def _handle(self, line: bytes) -> None:
        match decode_notification(line):
            case SubmitResults(outcomes):
                self._distribute(outcomes)
            case ReportReceived() | InboundMessage() | Unreadable() as notification:
                self._events.append(decode_event(notification))
                self._on_event()
            case BindStatus(bound, fault):
                self._bound, self._fault = bound, fault
                self._on_event()
            case Heartbeat():
                pass

    def _distribute(self, outcomes: Iterable[tuple[int, SubmitOutcome]]) -> None:
        """Put outcomes into the result queues of their batches."""
        groups: dict[_SubmittedBatch, list[SubmitResult]] = {}
        with self._lock:
            for ticket, outcome in outcomes:
                batch, index = self._pending.pop(ticket)
                if batch.is_abandoned:
                    self._free += 1
                else:
                    batch.unrecorded += 1
                    groups.setdefault(batch, []).append((index, outcome))
            self._submit_waiting()
        for batch, group in groups.items():
            batch.groups.put(group)

    def _fail_pending(self) -> None:
        """Report what a client that has ended had in flight as uncertain."""
        self._bound = 0
        with self._lock:
            self._client = None
            tickets = list(self._pending)
        self._distribute((ticket, Uncertain()) for ticket in tickets)

    def _kill_client(self) -> None:
        with self._lock:
            if self._client:
                self._client.kill()
