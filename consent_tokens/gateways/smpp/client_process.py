"""The SMPP client process of a dispatcher: `python -m consent_tokens.gateways.smpp`.

Reads commands from standard input, writes outcomes and inbound events to standard output (`ipc`).
It decides nothing and has neither keys nor the database. When its dispatcher ends, it ends at once,
with everything that is not submitted yet.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from typing import Final

import structlog
import uvloop

from consent_tokens import logging_setup
from consent_tokens.gateways.base import InboundEvent, Submission, SubmitOutcome, Uncertain, Unsent
from consent_tokens.gateways.smpp.config import BindConfig
from consent_tokens.gateways.smpp.inbound import DeliverSm, parse_deliver_sm
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
from consent_tokens.gateways.smpp.reassembly import Reassembler, Segment
from consent_tokens.gateways.smpp.session import Session

log = structlog.get_logger()

GROUP_SECONDS: Final = 0.003  # how long results are collected into one frame
HEARTBEAT_SECONDS: Final = 1.0
MAX_FRAME_BYTES: Final = 16 * 1024 * 1024  # a thousand messages of maximal length
ORPHANED, FAULTY = 1, 2  # exit codes

Notify = Callable[[Notification], None]


class SmppClient:
    """One or several sessions, to one carrier or to several that back each other up."""

    def __init__(
        self, configs: Sequence[BindConfig], jitters: Sequence[float], notify: Notify
    ) -> None:
        self._notify = notify
        self._jitters = jitters  # of each session, from 0 to 1
        self._stop = asyncio.Event()
        self._reassembler = Reassembler()
        self._sessions = [
            Session(config, self._on_deliver_sm, self._report_status) for config in configs
        ]
        # round robin: each submission starts with the next session, and falls back to the others
        self._session_orders = cycle(
            [(*self._sessions[i:], *self._sessions[:i]) for i in range(len(configs))]
        )
        self._group_size = max(1, sum(config.window for config in configs) // 4)  # results a frame
        self._in_flight = 0
        self._results: list[tuple[int, SubmitOutcome]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep every session bound until `stop` is called."""
        sessions = zip(self._sessions, self._jitters, strict=True)
        await asyncio.gather(
            self._send_heartbeats(),
            *(session.run(self._stop, jitter) for session, jitter in sessions),
        )

    def stop(self) -> None:
        """Unbind every session."""
        self._stop.set()

    def submit(self, messages: Sequence[SubmitRequest]) -> None:
        """Submit messages concurrently, each over one session."""
        elapsed = asyncio.get_running_loop().time
        self._in_flight += len(messages)
        for message in messages:
            ticket, submission = message.ticket, decode_submission(message, elapsed)
            sessions = next(self._session_orders)
            if not sessions[0].submit_now(submission, partial(self._add_result, ticket)):
                task = asyncio.create_task(self._submit_one(ticket, submission, sessions))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _submit_one(
        self, ticket: int, submission: Submission, sessions: Sequence[Session]
    ) -> None:
        """Submit over the first session; try the others, once each, if it could not send."""
        outcome: SubmitOutcome = Unsent()
        try:
            for session in sessions:
                if isinstance(outcome, Unsent) and session.is_up:
                    outcome = await session.submit(submission)
        except Exception as error:  # noqa: BLE001 - the gateway waits for an outcome in any case
            log.critical("submission_failed", fault=type(error).__name__)
            outcome = Uncertain()
        self._add_result(ticket, outcome)

    def _add_result(self, ticket: int, outcome: SubmitOutcome) -> None:
        """Queue a result; send it with others once the group is full or GROUP_SECONDS are over."""
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
        """Send a heartbeat every second, and forward incomplete inbound messages that timed out."""
        while not self._stop.is_set():
            self._notify(Heartbeat())
            for overdue in self._reassembler.expire(asyncio.get_running_loop().time()):
                self._forward(overdue)
            try:
                await asyncio.wait_for(self._stop.wait(), HEARTBEAT_SECONDS)
            except TimeoutError:
                continue

    def _report_status(self) -> None:
        faults = (session.fault for session in self._sessions if not session.is_up)
        bound = sum(session.is_up for session in self._sessions)
        self._notify(BindStatus(bound, next(filter(None, faults), None)))

    def _on_deliver_sm(self, pdu: DeliverSm, config: BindConfig) -> None:
        match parse_deliver_sm(pdu, config.profile):
            case Segment() as segment:
                self._forward(self._reassembler.add(segment, asyncio.get_running_loop().time()))
            case event:
                self._forward(event)

    def _forward(self, event: InboundEvent | None) -> None:
        if event:
            self._notify(encode_event(event))


async def _serve(input_fd: int, output_fd: int) -> None:
    """Execute the commands of one pipe and write notifications to the other, until Stop.

    If the pipe ends without Stop, the dispatcher is gone: ends the process at once.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_FRAME_BYTES)
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(input_fd, "rb", 0)
    )
    transport, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(output_fd, "wb", 0))

    def notify(notification: Notification) -> None:
        transport.write(encode_frame(notification))

    client: SmppClient | None = None
    running: asyncio.Task[None] | None = None
    while line := await reader.readline():
        match decode_command(line):
            case Open(urls, jitters, default_region):
                configs = BindConfig.parse_all(urls, default_region)
                client = SmppClient(configs, jitters, notify)
                running = asyncio.create_task(client.run())
            case Submit(messages) if client:
                client.submit(messages)
            case Stop() if client and running:
                client.stop()
                input_closed = asyncio.create_task(reader.read())  # the gateway waits no longer
                await asyncio.wait({running, input_closed}, return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    return
                break
    os._exit(ORPHANED)


def main() -> None:
    """Run the process. It stops by command only: signals to the process group are ignored."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    input_fd, output_fd = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # a stray print goes to standard error, not between the frames
    logging_setup.configure()
    try:
        uvloop.run(_serve(input_fd, output_fd))
    except Exception as error:  # noqa: BLE001 - only its class is logged: the message may hold a number
        log.critical("smpp_client_failed", fault=type(error).__name__)
        os._exit(FAULTY)
