"""One SMPP line, kept bound: it is bound again whenever it is left, and left when it is silent."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

import smpp34
import structlog

from consent_tokens.gateways.base import (
    Faulty,
    Outcome,
    Submission,
    Submitted,
    Throttled,
    Uncertain,
    Unsent,
)
from consent_tokens.gateways.smpp.config import Line
from consent_tokens.gateways.smpp.pdu import outcome_of, submissions

log = structlog.get_logger()

CONNECT_MILLISECONDS: Final = 5000
ANSWER_SECONDS: Final = 10.0  # a gateway that is silent for longer may or may not have taken it
UNBIND_SECONDS: Final = 2.0  # for a line that may not be there any more
BACK_OFF: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # seconds between attempts to bind
SOON_AGAIN: Final = 2  # the step of the back-off for a line that lets us bind
STEADY_SECONDS: Final = 10.0  # a bind that lasted so long was a good one
JITTER: Final = 0.5  # of the back-off, so that many lines do not come back in step
UNFIT: Final = (ValueError, OverflowError, TypeError)  # cannot be put into SMPP's words
PATIENCE_SECONDS: Final = 0.5  # before a later segment is tried again

Answered: TypeAlias = asyncio.Future[smpp34.SubmitSmResp]


class Bind:
    """One line, kept bound: a transceiver, or a transmitter with its receiver."""

    def __init__(
        self,
        line: Line,
        hear: Callable[[smpp34.DeliverSmEvent, Line], None],
        changed: Callable[[], None],
    ) -> None:
        self.line = line
        self._hear = hear
        self._changed = changed  # called when it is bound, and when it is no more
        self._smsc: smpp34.Smsc | None = None
        self._was_bound = False
        self._owed: dict[Answered, float] = {}  # since when, for each answer; the oldest first
        self._busy = 0  # submissions without an answer
        self._next: deque[asyncio.Future[None]] = deque()  # who waits for room
        self._loop = asyncio.get_running_loop()

    @property
    def is_up(self) -> bool:
        """Whether it is bound."""
        return self._smsc is not None

    async def keep(self, stop: asyncio.Event, jitter: float) -> None:
        """Bind, again and again with back-off, until told to stop."""
        loop, failures = asyncio.get_running_loop(), 0
        while not stop.is_set():
            begun = loop.time()
            try:
                await self._once(stop)
            except (smpp34.SmppError, OSError) as fault:
                log.warning("gateway_away", gateway="smpp", fault=type(fault).__name__)
            if stop.is_set():
                return
            if loop.time() - begun > STEADY_SECONDS:
                failures = 0
            else:  # one that was bound, if not for long, is there: it is not left alone for long
                failures = min(failures + 1, SOON_AGAIN) if self._was_bound else failures + 1
            wait = BACK_OFF[min(failures, len(BACK_OFF) - 1)] * (1 - JITTER * jitter)
            try:
                await asyncio.wait_for(stop.wait(), wait)
            except TimeoutError:
                continue

    async def _once(self, stop: asyncio.Event) -> None:
        """Be bound once, until the session ends, falls silent, or we are told to stop."""
        kinds = ("TX", "RX") if self.line.is_pair else ("TRX",)
        clients = [_client(self.line, kind) for kind in kinds]
        self._was_bound = False
        sessions: list[smpp34.Smsc] = []
        try:
            for client in clients:
                sessions.append(await client.connect())  # noqa: PERF401 - those before a fault count
            self._smsc, self._was_bound = sessions[0], True
            log.info("gateway_bound", gateway="smpp")
            self._changed()
            silence = asyncio.create_task(self._silence())
            listening = [asyncio.create_task(self._listen(session)) for session in sessions]
            tasks = [asyncio.create_task(stop.wait()), silence, *listening]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self._is_left()
            if not stop.is_set():
                log.warning("gateway_left", gateway="smpp", mute=silence.done())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._is_left()
            await _hang_up(sessions, clients)

    def _is_left(self) -> None:
        if self._smsc is not None:
            self._smsc = None
            self._changed()

    async def _listen(self, session: smpp34.Smsc) -> None:
        while not isinstance(event := await session.next(), smpp34.Disconnected):
            self._hear(event, self.line)

    async def _silence(self) -> None:
        """Return once an answer is owed for too long. Who hangs up then fails what is owed."""
        loop = asyncio.get_running_loop()
        while True:
            since = next(iter(self._owed.values()), loop.time())
            if (left := since + ANSWER_SECONDS - loop.time()) <= 0:
                return
            await asyncio.sleep(left)

    def submit_now(self, submission: Submission, answered: Callable[[Outcome], None]) -> bool:
        """Submit a message of one segment if there is room for it at this moment; whether it was.

        `answered` is called with what became of it. Most messages go this way, which needs no task.
        """
        if self._smsc is None or submission.deadline.is_past:
            return False
        if self._next or self._busy >= self.line.window or len(submission.composed.segments) != 1:
            return False
        try:
            (part,) = submissions(submission, self.line.manner)
        except UNFIT:
            return False  # `submit` says which
        future = self._sent(self._smsc, part)
        future.add_done_callback(lambda done: answered(_outcome_in(done)))
        return True

    async def submit(self, submission: Submission) -> Outcome:
        """Submit every segment of one message; it is named by the id of its last."""
        outcome: Outcome = Unsent()
        try:
            parts = submissions(submission, self.line.manner)
        except UNFIT as fault:
            return Faulty(type(fault).__name__)
        for place, part in enumerate(parts):
            outcome = await self._submit_part(submission, part)
            while place and isinstance(outcome, Throttled):  # half of it is on the phone already
                await asyncio.sleep(PATIENCE_SECONDS)
                outcome = await self._submit_part(submission, part)
            if not isinstance(outcome, Submitted):
                # a first segment decides; a later one leaves half a message, which nobody recalls
                return Uncertain() if place else outcome
        return outcome

    async def _submit_part(self, submission: Submission, part: dict[str, Any]) -> Outcome:
        """Submit one segment, if it is still ours to hand over once there is room for it."""
        while self._busy >= self.line.window:
            self._next.append(self._loop.create_future())
            await self._next[-1]
        if self._smsc is None or submission.deadline.is_past:
            self._call_next()
            return Unsent()
        future = self._sent(self._smsc, part)
        await asyncio.wait([future])
        return _outcome_in(future)

    def _sent(self, smsc: smpp34.Smsc, part: dict[str, Any]) -> Answered:
        """Return the answer to come, or the fault in its place."""
        try:
            future: Answered = asyncio.ensure_future(smsc.submit_sm(**part))
        except Exception as fault:  # noqa: BLE001 - `_outcome_in` tells them apart
            future = self._loop.create_future()
            future.set_exception(fault)
        self._busy += 1
        self._owed[future] = self._loop.time()
        future.add_done_callback(self._done)
        return future

    def _done(self, future: Answered) -> None:
        self._busy -= 1
        del self._owed[future]
        self._call_next()

    def _call_next(self) -> None:
        """Let one in that waits for room."""
        if self._next:
            self._next.popleft().set_result(None)


def _outcome_in(future: Answered) -> Outcome:
    """Return what became of a submission, by an answer that has come. Never raises."""
    if future.cancelled():
        return Uncertain()
    match future.exception():
        case None:
            return outcome_of(future.result())
        case fault if isinstance(fault, UNFIT):
            return Faulty(type(fault).__name__)
        case smpp34.SmppError() | OSError():
            return Uncertain()
        case fault:
            log.critical("submission_faulty", fault=type(fault).__name__)
            return Uncertain()


async def _hang_up(sessions: Sequence[smpp34.Smsc], clients: Sequence[smpp34.Client]) -> None:
    """Say so and leave, also on a line that is silent: many an SMSC takes one bind of a name."""
    for session in sessions:
        with suppress(TimeoutError, smpp34.SmppError, OSError):
            async with asyncio.timeout(UNBIND_SECONDS):
                await session.unbind()
    for client in clients:
        await client.stop()


def _client(line: Line, bind_type: str) -> smpp34.Client:
    """Return a session that is not yet connected."""
    return smpp34.Client(
        host=line.host,
        port=line.port,
        system_id=line.system_id,
        password=line.password,
        bind_type=bind_type,
        system_type=line.system_type,
        tls=line.is_tls,
        window_size=line.window,
        connect_timeout_ms=CONNECT_MILLISECONDS,
    )
