"""The gateway to SMPP carriers, from the dispatcher's side: the lines have a process of their own.

No more than the window of all lines is ever with that process, or answered by it and not yet
settled: so however it ends, no more than that is in doubt (promise 7).
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
    Submission,
    SubmitOutcome,
    SubmitResult,
    Uncertain,
    Unsent,
)
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
    decode_event,
    decode_notification,
    encode_frame,
    encode_submission,
)

log = structlog.get_logger()

CLIENT_COMMAND: Final = (sys.executable, "-P", "-m", "consent_tokens.gateways.smpp")
RESTART_SECONDS: Final = 0.3  # before a speaker that ended by itself is started again
MAX_SILENT_SECONDS: Final = 15  # a speaker that says nothing for so many seconds hangs
CLOSE_TIMEOUT_SECONDS: Final = 10.0  # that unbinding may take
MAX_QUEUED_EVENTS: Final = 100_000  # waiting to be taken; the oldest give way
READ_BYTES: Final = 1024 * 1024


@dataclass(slots=True, eq=False)
class _SubmittedBatch:
    """What was handed over together, and the answers to it, in groups as they come."""

    groups: SimpleQueue[list[SubmitResult]] = field(default_factory=SimpleQueue)
    unrecorded: int = 0  # answered, and not yet written down
    is_abandoned: bool = False  # nobody wants to know the rest


class SmppGateway:
    """One or several lines, to one carrier or to several that stand in for each other.

    `urls` are one or several, by blanks; `jitter` gives a number from 0 to 1. Raises SettingError
    naming the variable.
    """

    def __init__(self, urls: str, jitter: Callable[[], float] = lambda: 0.0) -> None:
        lines = BindConfig.parse_all(urls)
        self._opening = Open(urls, [jitter() for _ in lines])
        self._thread = threading.Thread(target=self._supervise, name="smpp", daemon=True)
        self._stop = threading.Event()
        self._events: deque[InboundEvent] = deque(maxlen=MAX_QUEUED_EVENTS)
        self._on_event: Callable[[], None] = lambda: None
        self._inherited_fds: Sequence[int] = ()
        self._bound = 0  # lines that are bound
        self._lock = threading.Lock()  # of what follows
        self._client: subprocess.Popen[bytes] | None = None
        self._free = sum(line.window for line in lines)
        self._waiting: deque[tuple[_SubmittedBatch, int, Submission]] = deque()
        self._tickets = count()
        self._pending: dict[int, tuple[_SubmittedBatch, int]] = {}  # by ticket: with the speaker

    @property
    def name(self) -> str:
        """Return which kind it is."""
        return "smpp"

    @property
    def is_up(self) -> bool:
        """Whether any line is bound."""
        return self._bound > 0

    def open(self, on_event: Callable[[], None], inherited_fds: Sequence[int] = ()) -> None:
        """Start to bind, in the background."""
        self._on_event, self._inherited_fds = on_event, inherited_fds
        self._thread.start()

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        """Submit side by side, over all lines that are up, as many at once as they hold.

        Begins at once, behind what was handed over before; what is settled makes room for the next.
        """
        answers = self._results(submissions)
        next(answers)  # from here on it goes by itself, and its end is seen to, however it comes
        return answers

    def _results(self, submissions: Sequence[Submission]) -> Iterator[list[SubmitResult]]:
        """Hand over, and return the answers: first none, then all that have come meanwhile."""
        handed, rest = _SubmittedBatch(), len(submissions)
        with self._lock:
            self._waiting.extend((handed, place, each) for place, each in enumerate(submissions))
            self._submit_waiting()
        try:
            yield []
            while rest:
                group = handed.groups.get()
                with suppress(Empty):
                    while True:
                        group += handed.groups.get_nowait()
                yield group
                rest -= len(group)
                with self._lock:
                    handed.unrecorded -= len(group)
                    self._free += len(group)
                    self._submit_waiting()
        finally:
            with self._lock:  # what nobody wants to know is in nobody's way
                handed.is_abandoned = True
                self._free += handed.unrecorded
                self._submit_waiting()

    def poll(self) -> list[InboundEvent]:
        """Return the reports and inbound messages since the last call."""
        event: list[InboundEvent] = []
        while self._events:
            event.append(self._events.popleft())
        return event

    def close(self) -> None:
        """Unbind, and wait until the lines' process has ended."""
        self._stop.set()
        with self._lock:
            self._write(encode_frame(Stop()))
        if self._thread.is_alive():
            self._thread.join(CLOSE_TIMEOUT_SECONDS)
            self._kill_client()
            self._thread.join()

    # --- with the lock held ---------------------------------------------------------------------

    def _submit_waiting(self) -> None:
        """Hand what waits to the speaker, as long as there is room for it."""
        messages: list[SubmitRequest] = []
        unsent: list[tuple[_SubmittedBatch, int]] = []
        while self._free and self._waiting:
            handed, place, submission = self._waiting.popleft()
            if handed.is_abandoned:
                continue
            self._free -= 1
            if self._client is None or submission.deadline.is_past:
                unsent.append((handed, place))
                continue
            ticket = next(self._tickets)
            self._pending[ticket] = handed, place
            messages.append(encode_submission(ticket, submission))
        if messages:
            self._write(encode_frame(Submit(messages)))
        for handed, place in unsent:
            handed.unrecorded += 1
            handed.groups.put([(place, Unsent())])

    def _write(self, line: bytes) -> None:
        """Write to the speaker; one that is gone is seen to by whoever listens to it."""
        if self._client and self._client.stdin:
            rest = memoryview(line)
            with suppress(OSError):
                while rest:
                    rest = rest[self._client.stdin.write(rest) :]

    # --- of the thread that listens -------------------------------------------------------------

    def _supervise(self) -> None:
        """Have a speaker, and another one if it ends by itself, until told to stop."""
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
        """Have one speaker, and return with which code it ended. Raises OSError, DecodeError."""
        with subprocess.Popen(  # noqa: S603 - our own module
            CLIENT_COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=self._inherited_fds,
        ) as client:
            with self._lock:
                self._client = client
                self._write(encode_frame(self._opening))
                if self._stop.is_set():
                    self._write(encode_frame(Stop()))
            try:
                self._read_notifications(client)
            except DecodeError:
                client.kill()  # of another version, perhaps: what it says means nothing to us
                raise
            finally:
                self._fail_pending()
        return client.returncode

    def _read_notifications(self, client: subprocess.Popen[bytes]) -> None:
        """Hear what the speaker says, to its end; one that hangs is killed."""
        output = client.stdout.fileno() if client.stdout else -1
        silent, rest = 0, b""
        while silent < MAX_SILENT_SECONDS:
            readable, _, _ = select.select([output], [], [], 1.0)
            if not readable:
                silent += 1
                continue
            silent, data = 0, os.read(output, READ_BYTES)
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
            case ReportReceived() | InboundMessage() as said:
                self._events.append(decode_event(said))
                self._on_event()
            case BindStatus(lines):
                self._bound = lines
                self._on_event()
            case Heartbeat():
                pass

    def _distribute(self, answers: Iterable[tuple[int, SubmitOutcome]]) -> None:
        """Give answers to those who wait for them."""
        groups: dict[_SubmittedBatch, list[SubmitResult]] = {}
        with self._lock:
            for ticket, outcome in answers:
                handed, place = self._pending.pop(ticket)
                if handed.is_abandoned:
                    self._free += 1
                else:
                    handed.unrecorded += 1
                    groups.setdefault(handed, []).append((place, outcome))
            self._submit_waiting()
        for handed, group in groups.items():
            handed.groups.put(group)

    def _fail_pending(self) -> None:
        """See to what was with a speaker that has ended: it may have left, and nobody can say."""
        self._bound = 0
        with self._lock:
            self._client = None
            owed = list(self._pending)
        self._distribute((ticket, Uncertain()) for ticket in owed)

    def _kill_client(self) -> None:
        with self._lock:
            if self._client:
                self._client.kill()
