"""The process that speaks SMPP for a dispatcher: `python -m consent_tokens.gateways.smpp`.

Nothing of it decides: it submits what it is handed over standard input, and tells over standard
output what became of it and what came in (wire). It holds no key and knows no database. When its
dispatcher is gone it is gone at once, with all that it had not submitted yet.

smpp34 aborts the interpreter if a session is still open when Python exits; here that is nobody
else's.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from typing import Final

import smpp34
import structlog
import uvloop

from consent_tokens import logging_setup as logs
from consent_tokens.gateways.base import Heard, Outcome, Submission, Uncertain, Unsent
from consent_tokens.gateways.smpp.config import Line
from consent_tokens.gateways.smpp.ipc import (
    Alive,
    Answers,
    Open,
    Stop,
    Submit,
    ToGateway,
    ToSubmit,
    Up,
    got_submission,
    put,
    put_heard,
    to_speaker,
)
from consent_tokens.gateways.smpp.pdu import is_report, piece_in, report_in
from consent_tokens.gateways.smpp.reassembly import Pieces
from consent_tokens.gateways.smpp.session import Bind

log = structlog.get_logger()

GROUP_SECONDS: Final = 0.003  # at most between the answers of one group
ALIVE_SECONDS: Final = 1.0
MOST_LINE_BYTES: Final = 16 * 1024 * 1024  # a thousand messages of the longest
ORPHANED, FAULTY = 1, 2  # exit codes

Tell = Callable[[ToGateway], None]


class Speaker:
    """One or several lines, to one carrier or to several that stand in for each other."""

    def __init__(self, lines: Sequence[Line], jitters: Sequence[float], tell: Tell) -> None:
        self._tell = tell
        self._jitters = jitters  # of each line, from 0 to 1
        self._stop = asyncio.Event()
        self._pieces = Pieces()
        self._binds = [Bind(line, self._hear, self._changed) for line in lines]
        # each submission begins with another line, and goes on with the others
        places = range(len(lines))
        self._turns = cycle([(*self._binds[at:], *self._binds[:at]) for at in places])
        self._worth = max(1, sum(line.window for line in lines) // 4)  # answers, of a group
        self._unanswered = 0
        self._answers: list[tuple[int, Outcome]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def keep(self) -> None:
        """Keep every line bound until told to stop."""
        keeping = zip(self._binds, self._jitters, strict=True)
        await asyncio.gather(
            self._tidy(), *(bind.keep(self._stop, jitter) for bind, jitter in keeping)
        )

    def stop(self) -> None:
        """Unbind every line."""
        self._stop.set()

    def submit(self, messages: Sequence[ToSubmit]) -> None:
        """Submit messages side by side, each over one line."""
        elapsed = asyncio.get_running_loop().time
        self._unanswered += len(messages)
        for message in messages:
            ticket, submission = message.ticket, got_submission(message, elapsed)
            binds = next(self._turns)
            if not binds[0].submit_now(submission, partial(self._answer, ticket)):
                task = asyncio.create_task(self._submit_one(ticket, submission, binds))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _submit_one(self, ticket: int, submission: Submission, binds: Sequence[Bind]) -> None:
        """Submit over one line; what it could not send goes to the others, once each."""
        outcome: Outcome = Unsent()
        try:
            for bind in binds:
                if isinstance(outcome, Unsent) and bind.is_up:
                    outcome = await bind.submit(submission)
        except Exception as fault:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            log.critical("submission_faulty", fault=type(fault).__name__)
            outcome = Uncertain()
        self._answer(ticket, outcome)

    def _answer(self, ticket: int, outcome: Outcome) -> None:
        """Pass an answer on, with others if they come at once."""
        self._unanswered -= 1
        self._answers.append((ticket, outcome))
        if len(self._answers) >= self._worth or not self._unanswered:
            self._pass_on()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GROUP_SECONDS, self._pass_on)

    def _pass_on(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        group, self._answers = self._answers, []
        self._tell(Answers(group))

    async def _tidy(self) -> None:
        """Say that we are alive, and pass on what came in pieces of which no more is coming."""
        while not self._stop.is_set():
            self._tell(Alive())
            for overdue in self._pieces.overdue(asyncio.get_running_loop().time()):
                self._told(overdue)
            try:
                await asyncio.wait_for(self._stop.wait(), ALIVE_SECONDS)
            except TimeoutError:
                continue

    def _changed(self) -> None:
        self._tell(Up(sum(bind.is_up for bind in self._binds)))

    def _hear(self, event: smpp34.DeliverSmEvent, line: Line) -> None:
        if is_report(event):
            self._told(report_in(event, line.manner))
        elif piece := piece_in(event):
            self._told(self._pieces.put(piece, asyncio.get_running_loop().time()))

    def _told(self, heard: Heard | None) -> None:
        if heard:
            self._tell(put_heard(heard))


async def _speak(hears: int, tells: int) -> None:
    """Do what is said on one pipe, and tell on the other, until told to stop.

    Never returns if the pipe ends without that: then whoever knew of the messages is gone.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MOST_LINE_BYTES)
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(hears, "rb", 0)
    )
    transport, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(tells, "wb", 0))

    def tell(said: ToGateway) -> None:
        transport.write(put(said))

    speaker: Speaker | None = None
    keeping: asyncio.Task[None] | None = None
    while line := await reader.readline():
        match to_speaker(line):
            case Open(urls, jitters):
                speaker = Speaker(Line.all_in(urls), jitters, tell)
                keeping = asyncio.create_task(speaker.keep())
            case Submit(messages) if speaker:
                speaker.submit(messages)
            case Stop() if speaker and keeping:
                speaker.stop()
                gone = asyncio.create_task(reader.read())  # its dispatcher does not wait any longer
                await asyncio.wait({keeping, gone}, return_when=asyncio.FIRST_COMPLETED)
                if keeping.done():
                    return
                break
    os._exit(ORPHANED)


def main() -> None:
    """Be that process. Its dispatcher tells it when to stop; signals to a whole group do not."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    hears, tells = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # whatever prints does not print into what is told
    logs.configure()
    try:
        uvloop.run(_speak(hears, tells))
    except Exception as fault:  # noqa: BLE001 - only its kind is told: it may hold what was said
        log.critical("speaker_faulty", fault=type(fault).__name__)
        os._exit(FAULTY)
