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
from consent_tokens.gateways.base import InboundEvent, Submission, SubmitOutcome, Uncertain, Unsent
from consent_tokens.gateways.smpp.config import BindConfig
from consent_tokens.gateways.smpp.ipc import (
    BindStatus,
    Heartbeat,
    Notification,
    Open,
    Stop,
    Submit,
    SubmitRequest,
    SubmitResults,
    decode_command,
    decode_submission,
    encode_event,
    encode_frame,
)
from consent_tokens.gateways.smpp.pdu import (
    is_delivery_report,
    parse_delivery_report,
    parse_segment,
)
from consent_tokens.gateways.smpp.reassembly import Reassembler
from consent_tokens.gateways.smpp.session import Session

log = structlog.get_logger()

GROUP_SECONDS: Final = 0.003  # at most between the answers of one group
HEARTBEAT_SECONDS: Final = 1.0
MAX_FRAME_BYTES: Final = 16 * 1024 * 1024  # a thousand messages of the longest
ORPHANED, FAULTY = 1, 2  # exit codes

Notify = Callable[[Notification], None]


class SmppClient:
    """One or several lines, to one carrier or to several that stand in for each other."""

    def __init__(
        self, configs: Sequence[BindConfig], jitters: Sequence[float], tell: Notify
    ) -> None:
        self._notify = tell
        self._jitters = jitters  # of each line, from 0 to 1
        self._stop = asyncio.Event()
        self._reassembler = Reassembler()
        self._sessions = [
            Session(line, self._on_deliver_sm, self._report_status) for line in configs
        ]
        # each submission begins with another line, and goes on with the others
        places = range(len(configs))
        self._session_orders = cycle(
            [(*self._sessions[at:], *self._sessions[:at]) for at in places]
        )
        self._group_size = max(1, sum(line.window for line in configs) // 4)  # answers, of a group
        self._in_flight = 0
        self._results: list[tuple[int, SubmitOutcome]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep every line bound until told to stop."""
        keeping = zip(self._sessions, self._jitters, strict=True)
        await asyncio.gather(
            self._send_heartbeats(), *(bind.run(self._stop, jitter) for bind, jitter in keeping)
        )

    def stop(self) -> None:
        """Unbind every line."""
        self._stop.set()

    def submit(self, messages: Sequence[SubmitRequest]) -> None:
        """Submit messages side by side, each over one line."""
        elapsed = asyncio.get_running_loop().time
        self._in_flight += len(messages)
        for message in messages:
            ticket, submission = message.ticket, decode_submission(message, elapsed)
            binds = next(self._session_orders)
            if not binds[0].submit_now(submission, partial(self._add_result, ticket)):
                task = asyncio.create_task(self._submit_one(ticket, submission, binds))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _submit_one(
        self, ticket: int, submission: Submission, binds: Sequence[Session]
    ) -> None:
        """Submit over one line; what it could not send goes to the others, once each."""
        outcome: SubmitOutcome = Unsent()
        try:
            for bind in binds:
                if isinstance(outcome, Unsent) and bind.is_up:
                    outcome = await bind.submit(submission)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            log.critical("submission_faulty", fault=type(error).__name__)
            outcome = Uncertain()
        self._add_result(ticket, outcome)

    def _add_result(self, ticket: int, outcome: SubmitOutcome) -> None:
        """Pass an answer on, with others if they come at once."""
        self._in_flight -= 1
        self._results.append((ticket, outcome))
        if len(self._results) >= self._group_size or not self._in_flight:
            self._flush_results()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GROUP_SECONDS, self._flush_results)

    def _flush_results(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        group, self._results = self._results, []
        self._notify(SubmitResults(group))

    async def _send_heartbeats(self) -> None:
        """Say that we are alive, and pass on what came in pieces of which no more is coming."""
        while not self._stop.is_set():
            self._notify(Heartbeat())
            for overdue in self._reassembler.expire(asyncio.get_running_loop().time()):
                self._forward(overdue)
            try:
                await asyncio.wait_for(self._stop.wait(), HEARTBEAT_SECONDS)
            except TimeoutError:
                continue

    def _report_status(self) -> None:
        self._notify(BindStatus(sum(bind.is_up for bind in self._sessions)))

    def _on_deliver_sm(self, event: smpp34.DeliverSmEvent, config: BindConfig) -> None:
        if is_delivery_report(event):
            self._forward(parse_delivery_report(event, config.profile))
        elif piece := parse_segment(event):
            self._forward(self._reassembler.add(piece, asyncio.get_running_loop().time()))

    def _forward(self, event: InboundEvent | None) -> None:
        if event:
            self._notify(encode_event(event))


async def _serve(hears: int, tells: int) -> None:
    """Do what is said on one pipe, and tell on the other, until told to stop.

    Never returns if the pipe ends without that: then whoever knew of the messages is gone.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_FRAME_BYTES)
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(hears, "rb", 0)
    )
    transport, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(tells, "wb", 0))

    def tell(said: Notification) -> None:
        transport.write(encode_frame(said))

    client: SmppClient | None = None
    keeping: asyncio.Task[None] | None = None
    while line := await reader.readline():
        match decode_command(line):
            case Open(urls, jitters):
                client = SmppClient(BindConfig.parse_all(urls), jitters, tell)
                keeping = asyncio.create_task(client.run())
            case Submit(messages) if client:
                client.submit(messages)
            case Stop() if client and keeping:
                client.stop()
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
        uvloop.run(_serve(hears, tells))
    except Exception as error:  # noqa: BLE001 - only its kind is told: it may hold what was said
        log.critical("speaker_faulty", fault=type(error).__name__)
        os._exit(FAULTY)
