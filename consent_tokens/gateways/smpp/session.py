"""Keeps one SMPP session bound: reconnects with back-off, closes it when responses time out."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

import smpp34
import structlog

from consent_tokens.gateways.base import (
    Faulty,
    Submission,
    SubmitOutcome,
    Submitted,
    Throttled,
    Uncertain,
    Unsent,
)
from consent_tokens.gateways.smpp.config import BindConfig
from consent_tokens.gateways.smpp.connection import Command, Connection, Response
from consent_tokens.gateways.smpp.pdu import parse_submit_response, submit_sm_arguments

log = structlog.get_logger()

RESPONSE_TIMEOUT_SECONDS: Final = 10.0  # then the session is closed, and the outcome uncertain
UNBIND_TIMEOUT_SECONDS: Final = 2.0  # the connection may be dead already
BACK_OFF_SECONDS: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # seconds between attempts to bind
QUICK_RETRY_STEP: Final = 2  # the highest step for an SMSC that accepts binds but drops them
STABLE_SECONDS: Final = 10.0  # a bind that lasted so long resets the back-off
JITTER: Final = 0.5  # of the back-off, so that many sessions do not reconnect at once
PAIR: Final = (Command.BIND_TRANSMITTER, Command.BIND_RECEIVER)
ENCODING_ERRORS: Final = (
    ValueError,
    OverflowError,
    TypeError,
)  # of arguments that no PDU can carry
SEGMENT_RETRY_SECONDS: Final = 0.5  # before a throttled later segment is retried

ResponseFuture: TypeAlias = asyncio.Future[Response]


class Session:
    """One session, kept bound: a transceiver, or a transmitter with its receiver."""

    def __init__(
        self,
        config: BindConfig,
        on_event: Callable[[smpp34.DeliverSm, BindConfig], None],
        on_change: Callable[[], None],
    ) -> None:
        self.config = config
        self._on_event = on_event
        self._on_change = on_change  # called when it is bound, unbound, or cannot be bound
        self._connection: Connection | None = None
        self._was_bound = False
        self.fault: str | None = None  # kind of the last error
        self._pending: dict[ResponseFuture, float] = {}  # when it was sent; the oldest first
        self._in_flight = 0  # submissions without a response
        self._waiters: deque[asyncio.Future[None]] = deque()  # for a place in the window
        self._loop = asyncio.get_running_loop()

    @property
    def is_up(self) -> bool:
        """Whether it is bound."""
        return self._connection is not None

    async def run(self, stop: asyncio.Event, jitter: float) -> None:
        """Bind, and bind again with back-off whenever the session ends, until `stop` is set."""
        loop, failures = asyncio.get_running_loop(), 0
        while not stop.is_set():
            begun = loop.time()
            try:
                await self._run_once(stop)
            except (smpp34.SmppError, OSError) as error:
                self.fault = type(error).__name__
                self._on_change()
                log.warning("gateway_away", gateway="smpp", fault=self.fault)
            if stop.is_set():
                return
            if loop.time() - begun > STABLE_SECONDS:
                failures = 0
            else:  # if it was bound, however briefly, the SMSC is there: do not back off for long
                failures = min(failures + 1, QUICK_RETRY_STEP) if self._was_bound else failures + 1
            wait = BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)] * (
                1 - JITTER * jitter
            )
            try:
                await asyncio.wait_for(stop.wait(), wait)
            except TimeoutError:
                continue

    async def _run_once(self, stop: asyncio.Event) -> None:
        """Bind once, and return when the session ends or times out, or `stop` is set."""
        is_pair = self.config.is_transmitter_receiver_pair
        commands = PAIR if is_pair else (Command.BIND_TRANSCEIVER,)
        self._was_bound = False
        connections: list[Connection] = []
        try:
            for command in commands:
                connections.append(  # noqa: PERF401 - those before an error are unbound
                    await Connection.bind(self.config, command, self._on_deliver_sm)
                )
            self._connection, self._was_bound = connections[0], True
            log.info("gateway_bound", gateway="smpp")
            self._on_change()
            timeout = asyncio.create_task(self._wait_for_timeout())
            closed = [asyncio.create_task(each.wait_closed()) for each in connections]
            tasks = [asyncio.create_task(stop.wait()), timeout, *closed]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self._mark_unbound()
            if not stop.is_set():
                log.warning("gateway_left", gateway="smpp", timed_out=timeout.done())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._mark_unbound()
            await _unbind(connections)

    def _mark_unbound(self) -> None:
        if self._connection is not None:
            self._connection = None
            self._on_change()

    def _on_deliver_sm(self, pdu: smpp34.DeliverSm) -> None:
        self._on_event(pdu, self.config)

    async def _wait_for_timeout(self) -> None:
        """Return once a response is overdue. Closing the session then fails what is pending."""
        loop = asyncio.get_running_loop()
        while True:
            sent_at = next(iter(self._pending.values()), loop.time())
            if (remaining := sent_at + RESPONSE_TIMEOUT_SECONDS - loop.time()) <= 0:
                return
            await asyncio.sleep(remaining)

    def submit_now(
        self, submission: Submission, on_outcome: Callable[[SubmitOutcome], None]
    ) -> bool:
        """Submit a message of one segment if the window has a place; return whether it was sent.

        `on_outcome` is called with its outcome. The fast path of most messages: it needs no task.
        """
        if self._connection is None or submission.deadline.is_past:
            return False
        if (
            self._waiters
            or self._in_flight >= self.config.window
            or len(submission.composed.segments) != 1
        ):
            return False
        try:
            (part,) = submit_sm_arguments(submission, self.config.profile)
        except ENCODING_ERRORS:
            return False  # `submit` returns the error
        future = self._start_submit(self._connection, part)
        future.add_done_callback(lambda done: on_outcome(self._outcome_of(done)))
        return True

    async def submit(self, submission: Submission) -> SubmitOutcome:
        """Submit every segment of one message; the outcome holds the gateway ids of all."""
        try:
            parts = submit_sm_arguments(submission, self.config.profile)
        except ENCODING_ERRORS as error:
            return Faulty(type(error).__name__)
        ids: list[str | None] = []
        for index, part in enumerate(parts):
            outcome = await self._submit_segment(submission, part)
            while index and isinstance(outcome, Throttled):  # earlier segments are sent already
                await asyncio.sleep(SEGMENT_RETRY_SECONDS)
                outcome = await self._submit_segment(submission, part)
            if not isinstance(outcome, Submitted):
                # if a later segment fails, the message is partly sent and cannot be recalled
                return Uncertain() if index else outcome
            ids.append(outcome.gateway_id)
        return Submitted(ids[-1], tuple(ids) if len(ids) > 1 else ())

    async def _submit_segment(self, submission: Submission, part: dict[str, Any]) -> SubmitOutcome:
        """Wait for a place in the window; submit one segment unless the deadline has passed."""
        while self._in_flight >= self.config.window:
            self._waiters.append(self._loop.create_future())
            await self._waiters[-1]
        if self._connection is None or submission.deadline.is_past:
            self._wake_next()
            return Unsent()
        future = self._start_submit(self._connection, part)
        await asyncio.wait([future])
        return self._outcome_of(future)

    def _start_submit(self, connection: Connection, part: dict[str, Any]) -> ResponseFuture:
        """Send a submit_sm; return the future of its response, or of the error."""
        try:
            future: ResponseFuture = asyncio.ensure_future(connection.submit_sm(**part))
        except Exception as error:  # noqa: BLE001 - `_outcome_of` tells them apart
            future = self._loop.create_future()
            future.set_exception(error)
        self._in_flight += 1
        self._pending[future] = self._loop.time()
        future.add_done_callback(self._on_response)
        return future

    def _on_response(self, future: ResponseFuture) -> None:
        self._in_flight -= 1
        del self._pending[future]
        self._wake_next()

    def _wake_next(self) -> None:
        """Wake the first waiter for a place in the window."""
        if self._waiters:
            self._waiters.popleft().set_result(None)

    def _outcome_of(self, future: ResponseFuture) -> SubmitOutcome:
        """Return the outcome by a future that is done. Never raises."""
        if future.cancelled():
            return Uncertain()
        match future.exception():
            case None:
                return parse_submit_response(future.result(), self.config.profile)
            case fault if isinstance(fault, ENCODING_ERRORS):
                return Faulty(type(fault).__name__)
            case smpp34.SmppError() | OSError():
                return Uncertain()
            case fault:
                log.critical("submission_failed", fault=type(fault).__name__)
                return Uncertain()


async def _unbind(connections: Sequence[Connection]) -> None:
    """Unbind and disconnect, also when the SMSC is silent: many allow one bind for a system_id."""
    for connection in connections:
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(UNBIND_TIMEOUT_SECONDS):
                await connection.unbind()
        connection.close()
