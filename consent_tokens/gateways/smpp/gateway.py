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

from consent_tokens.gateways.base import Answer, Heard, Outcome, Submission, Uncertain, Unsent
from consent_tokens.gateways.smpp.config import Line
from consent_tokens.gateways.smpp.ipc import (
    Alive,
    Answers,
    CameIn,
    Open,
    Reported,
    Stop,
    Submit,
    ToSubmit,
    Up,
    got_heard,
    put,
    put_submission,
    to_gateway,
)

log = structlog.get_logger()

SPEAKER: Final = (sys.executable, "-P", "-m", "consent_tokens.gateways.smpp")
AGAIN_SECONDS: Final = 0.3  # before a speaker that ended by itself is started again
SILENT_LOOKS: Final = 15  # a speaker that says nothing for so many seconds hangs
CLOSE_SECONDS: Final = 10.0  # that unbinding may take
MOST_HEARD: Final = 100_000  # waiting to be taken; the oldest give way
READ_BYTES: Final = 1024 * 1024


@dataclass(slots=True, eq=False)
class _HandedOver:
    """What was handed over together, and the answers to it, in groups as they come."""

    groups: SimpleQueue[list[Answer]] = field(default_factory=SimpleQueue)
    unsettled: int = 0  # answered, and not yet written down
    is_abandoned: bool = False  # nobody wants to know the rest


class SmppGateway:
    """One or several lines, to one carrier or to several that stand in for each other.

    `urls` are one or several, by blanks; `jitter` gives a number from 0 to 1. Raises SettingError
    naming the variable.
    """

    def __init__(self, urls: str, jitter: Callable[[], float] = lambda: 0.0) -> None:
        lines = Line.all_in(urls)
        self._opening = Open(urls, [jitter() for _ in lines])
        self._thread = threading.Thread(target=self._keep, name="smpp", daemon=True)
        self._stop = threading.Event()
        self._heard: deque[Heard] = deque(maxlen=MOST_HEARD)
        self._tell: Callable[[], None] = lambda: None
        self._holds: Sequence[int] = ()
        self._up = 0  # lines that are bound
        self._lock = threading.Lock()  # of what follows
        self._speaker: subprocess.Popen[bytes] | None = None
        self._free = sum(line.window for line in lines)
        self._waiting: deque[tuple[_HandedOver, int, Submission]] = deque()
        self._tickets = count()
        self._owed: dict[int, tuple[_HandedOver, int]] = {}  # by ticket: with the speaker

    @property
    def name(self) -> str:
        """Return which kind it is."""
        return "smpp"

    @property
    def is_up(self) -> bool:
        """Whether any line is bound."""
        return self._up > 0

    def open(self, heard: Callable[[], None], holds: Sequence[int] = ()) -> None:
        """Start to bind, in the background."""
        self._tell, self._holds = heard, holds
        self._thread.start()

    def submit(self, submissions: Sequence[Submission]) -> Iterator[list[Answer]]:
        """Submit side by side, over all lines that are up, as many at once as they hold.

        Begins at once, behind what was handed over before; what is settled makes room for the next.
        """
        answers = self._answers(submissions)
        next(answers)  # from here on it goes by itself, and its end is seen to, however it comes
        return answers

    def _answers(self, submissions: Sequence[Submission]) -> Iterator[list[Answer]]:
        """Hand over, and return the answers: first none, then all that have come meanwhile."""
        handed, rest = _HandedOver(), len(submissions)
        with self._lock:
            self._waiting.extend((handed, place, each) for place, each in enumerate(submissions))
            self._go_on()
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
                    handed.unsettled -= len(group)
                    self._free += len(group)
                    self._go_on()
        finally:
            with self._lock:  # what nobody wants to know is in nobody's way
                handed.is_abandoned = True
                self._free += handed.unsettled
                self._go_on()

    def take(self) -> list[Heard]:
        """Return the reports and inbound messages since the last call."""
        heard: list[Heard] = []
        while self._heard:
            heard.append(self._heard.popleft())
        return heard

    def close(self) -> None:
        """Unbind, and wait until the lines' process has ended."""
        self._stop.set()
        with self._lock:
            self._say(put(Stop()))
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)
            self._kill()
            self._thread.join()

    # --- with the lock held ---------------------------------------------------------------------

    def _go_on(self) -> None:
        """Hand what waits to the speaker, as long as there is room for it."""
        messages: list[ToSubmit] = []
        unsent: list[tuple[_HandedOver, int]] = []
        while self._free and self._waiting:
            handed, place, submission = self._waiting.popleft()
            if handed.is_abandoned:
                continue
            self._free -= 1
            if self._speaker is None or submission.deadline.is_past:
                unsent.append((handed, place))
                continue
            ticket = next(self._tickets)
            self._owed[ticket] = handed, place
            messages.append(put_submission(ticket, submission))
        if messages:
            self._say(put(Submit(messages)))
        for handed, place in unsent:
            handed.unsettled += 1
            handed.groups.put([(place, Unsent())])

    def _say(self, line: bytes) -> None:
        """Write to the speaker; one that is gone is seen to by whoever listens to it."""
        if self._speaker and self._speaker.stdin:
            rest = memoryview(line)
            with suppress(OSError):
                while rest:
                    rest = rest[self._speaker.stdin.write(rest) :]

    # --- of the thread that listens -------------------------------------------------------------

    def _keep(self) -> None:
        """Have a speaker, and another one if it ends by itself, until told to stop."""
        while not self._stop.is_set():
            try:
                code = self._once()
            except (OSError, DecodeError) as fault:
                log.critical("gateway_lost", gateway="smpp", fault=type(fault).__name__)
            else:
                if not self._stop.is_set():
                    log.critical("gateway_lost", gateway="smpp", code=code)
            self._stop.wait(AGAIN_SECONDS)

    def _once(self) -> int:
        """Have one speaker, and return with which code it ended. Raises OSError, DecodeError."""
        with subprocess.Popen(  # noqa: S603 - our own module
            SPEAKER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=self._holds,
        ) as speaker:
            with self._lock:
                self._speaker = speaker
                self._say(put(self._opening))
                if self._stop.is_set():
                    self._say(put(Stop()))
            try:
                self._listen(speaker)
            except DecodeError:
                speaker.kill()  # of another version, perhaps: what it says means nothing to us
                raise
            finally:
                self._lose()
        return speaker.returncode

    def _listen(self, speaker: subprocess.Popen[bytes]) -> None:
        """Hear what the speaker says, to its end; one that hangs is killed."""
        output = speaker.stdout.fileno() if speaker.stdout else -1
        silent, rest = 0, b""
        while silent < SILENT_LOOKS:
            readable, _, _ = select.select([output], [], [], 1.0)
            if not readable:
                silent += 1
                continue
            silent, data = 0, os.read(output, READ_BYTES)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._hear(line)
        speaker.kill()

    def _hear(self, line: bytes) -> None:
        match to_gateway(line):
            case Answers(outcomes):
                self._pass_on(outcomes)
            case Reported() | CameIn() as said:
                self._heard.append(got_heard(said))
                self._tell()
            case Up(lines):
                self._up = lines
                self._tell()
            case Alive():
                pass

    def _pass_on(self, answers: Iterable[tuple[int, Outcome]]) -> None:
        """Give answers to those who wait for them."""
        groups: dict[_HandedOver, list[Answer]] = {}
        with self._lock:
            for ticket, outcome in answers:
                handed, place = self._owed.pop(ticket)
                if handed.is_abandoned:
                    self._free += 1
                else:
                    handed.unsettled += 1
                    groups.setdefault(handed, []).append((place, outcome))
            self._go_on()
        for handed, group in groups.items():
            handed.groups.put(group)

    def _lose(self) -> None:
        """See to what was with a speaker that has ended: it may have left, and nobody can say."""
        self._up = 0
        with self._lock:
            self._speaker = None
            owed = list(self._owed)
        self._pass_on((ticket, Uncertain()) for ticket in owed)

    def _kill(self) -> None:
        with self._lock:
            if self._speaker:
                self._speaker.kill()
