"""Serve the Flask app by granian's RSGI interface: read a request in full, then take a thread.

With WSGI a request occupies a thread while its body arrives, so a few clients that send slowly stop
the service. Here the event loop reads each body, under a deadline and a size limit, and queues the
whole request for a pool of threads. Requests that revoke, and probes, have pools of their own, so
that a queue full of submissions delays neither (docs/decisions/, number 26).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from typing import Final, Protocol

import structlog
from flask import Flask
from granian.rsgi import ProtocolClosed, Scope  # type: ignore[attr-defined]  # granian's own re-export
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    LengthRequired,
    RequestEntityTooLarge,
    RequestTimeout,
    ServiceUnavailable,
)

from consent_tokens import metrics
from consent_tokens.clock import Clock
from consent_tokens.web.request_pool import RequestPool
from consent_tokens.web.rsgi_environ import environ_of
from consent_tokens.web.security import REFUSAL, max_body_bytes
from consent_tokens.web.wsgi import Answer, Environ, LateBody, Work, call_wsgi

log = structlog.get_logger()

# Requests that must not wait behind submissions: what a consumer uses to say no, and the merchant's
# revocation.
REVOCATION_PATHS: Final = ("/m/", "/my", "/report", "/v1/tokens/revoke", "/static/")
PROBE_PATHS: Final = frozenset({"/healthz", "/readyz"})
MAX_SMALL_BODY_BYTES: Final = 64 * 1024  # read at once; of larger ones, what has arrived is counted
RETRY_SECONDS: Final = 1
FINISH_SECONDS: Final = 0.02
COMMITTERS: Final = 2  # threads: one commits messages, the other one answers those before
MAX_FOLLOWING: Final = 64  # about: messages that wait for their commit without a thread


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingLimits:
    """What a request may take of this process before it is handled."""

    body_seconds: float = 30.0  # for the whole body; 1 MiB at 35 kB/s
    queue_seconds: float = 10.0  # for a thread; then the client is answered 503
    buffered_bytes: int = 256 * 1024 * 1024  # of all bodies that are held at one time
    submission_threads: int = 16  # single messages wait for their commit without one
    submissions_waiting: int = 512
    revocation_threads: int = 6
    probe_threads: int = 1
    others_waiting: int = 256


DEFAULT_LIMITS: Final = ServingLimits()


class HTTPProtocol(Protocol):
    """What this module uses of granian's `RSGIHTTPProtocol`; it may be used in any thread."""

    async def __call__(self) -> bytes:
        """Return the whole body. Raises ProtocolClosed if the client leaves before its end."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the body in parts; it ends without an error if the client leaves."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer. Raises ProtocolClosed if the client has left."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A request that was read."""

    environ: Environ
    protocol: HTTPProtocol
    finished: "asyncio.Future[None]"
    queued_at: float  # monotonic seconds


@dataclass(slots=True)
class _BodyMemory:
    """The memory that the bodies of all requests take, in bytes. Used by the event loop alone."""

    limit: int
    used: int = 0


@dataclass(slots=True)
class _Reservation:
    """What the body of one request takes of that memory."""

    memory: _BodyMemory
    size: int = 0

    def add(self, size: int) -> None:
        """Reserve bytes. Raises ServiceUnavailable if the bodies take too much already."""
        if self.memory.used + size > self.memory.limit:
            raise ServiceUnavailable(retry_after=RETRY_SECONDS)
        self.memory.used += size
        self.size += size

    def release(self) -> None:
        """Give everything back."""
        self.memory.used -= self.size


@dataclass(slots=True)
class RsgiApp:
    """The app as granian calls it: `__rsgi_init__` once, `__rsgi__` for each request."""

    app: Flask
    clock: Clock
    limits: ServingLimits = DEFAULT_LIMITS
    base_path: str = ""  # in front of every path, unless a proxy strips it
    on_start: Callable[[], None] = lambda: None  # called in the event loop once it runs
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _pools: tuple[RequestPool, RequestPool, RequestPool] = field(init=False)
    _committers: RequestPool = field(init=False)
    _following: "set[asyncio.Future[None]]" = field(default_factory=set)  # of late answers
    _finished: "deque[asyncio.Future[None]]" = field(default_factory=deque)
    _is_finishing: bool = False  # whether the event loop is about to look at `_finished`
    _bodies: _BodyMemory = field(init=False)  # being read, or of requests not yet answered

    def __post_init__(self) -> None:
        limits = self.limits
        self._bodies = _BodyMemory(limits.buffered_bytes)
        self._pools = (
            RequestPool("submission", limits.submission_threads, limits.submissions_waiting),
            RequestPool("revocation", limits.revocation_threads, limits.others_waiting),
            RequestPool("probe", limits.probe_threads, limits.others_waiting),
        )
        self._committers = RequestPool("committer", COMMITTERS, limits.others_waiting)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the threads."""
        self._loop = loop
        for pool in (*self._pools, self._committers):
            pool.start()
        loop.call_soon(self.on_start)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Finish the requests that were taken, and end the threads."""
        del loop
        for pool in (*self._pools, self._committers):  # it is the last to have work
            pool.stop()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Read the request, have it handled in a thread, and return when it is answered."""
        environ, reserved = environ_of(scope), _Reservation(self._bodies)
        with suppress(ProtocolClosed):  # a client that leaves before its end gets no answer
            try:
                await self._handle(scope, protocol, environ, reserved)
            except HTTPException as error:
                _send(protocol, self._refuse(environ, error))
            finally:
                reserved.release()

    async def _handle(
        self, scope: Scope, protocol: HTTPProtocol, environ: Environ, reserved: _Reservation
    ) -> None:
        path = scope.path.removeprefix(self.base_path)
        body = await self._read_body(scope, protocol, max_body_bytes(path), reserved)
        environ["wsgi.input"] = BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body)) if body else ""
        finished = self._loop.create_future()
        request = _Request(environ, protocol, finished, self.clock.monotonic())
        if not self._pool_of(path).submit(partial(self._respond, request)):
            raise ServiceUnavailable(retry_after=RETRY_SECONDS)
        await finished

    def _pool_of(self, path: str) -> RequestPool:
        submission, revocation, probe = self._pools
        if path in PROBE_PATHS:
            return probe
        return revocation if path.startswith(REVOCATION_PATHS) else submission

    async def _read_body(
        self, scope: Scope, protocol: HTTPProtocol, limit: int, reserved: _Reservation
    ) -> bytes:
        """Return the body. Raises HTTPException if it is too large or late, ProtocolClosed."""
        length = _declared_length(scope)
        if length == 0:
            return b""
        if length is not None and length > limit:
            raise RequestEntityTooLarge
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                if length is not None and length <= MAX_SMALL_BODY_BYTES:
                    reserved.add(length)
                    return await protocol()
                body = await _read_chunks(protocol, limit, reserved)
        except TimeoutError:
            raise RequestTimeout from None
        if length is not None and len(body) != length:
            raise ProtocolClosed  # the client left: granian ends the iteration without an error
        return body

    def _refuse(self, environ: Environ, error: HTTPException) -> Answer:
        """Return the answer to a request that no view looks at, in the form of its path."""
        metrics.REQUESTS_REFUSED.labels(str(error.code)).inc()
        refused = {**environ, REFUSAL: error, "wsgi.input": BytesIO(), "CONTENT_LENGTH": ""}
        answer = call_wsgi(self.app, refused)
        return replace(answer, headers=[*answer.headers, ("Connection", "close")])

    def _respond(self, request: _Request) -> None:
        """Handle one request in a thread of a pool."""
        self._send(request, partial(self._answer, request))

    def _answer(self, request: _Request) -> Answer | None:
        """Return the answer; None if it follows, once what others sent is committed too."""
        if self.clock.monotonic() - request.queued_at > self.limits.queue_seconds:
            return self._refuse(request.environ, ServiceUnavailable(retry_after=RETRY_SECONDS))
        answer = Answer()
        body = self.app(request.environ, answer.start)
        if isinstance(body, LateBody) and len(self._following) < MAX_FOLLOWING:
            self._following.add(request.finished)
            body.follow(self._commit, partial(self._send_late, request, answer))
            return None
        answer.read(body)
        return answer

    def _send_late(
        self, request: _Request, answer: Answer, start: Callable[[], Iterable[bytes]]
    ) -> None:
        """Send an answer that followed."""

        def read() -> Answer:
            answer.read(start())
            return answer

        self._send(request, read)

    def _send(self, request: _Request, make: Callable[[], Answer | None]) -> None:
        """Send the answer that `make` returns, if it does, and finish the request."""
        is_to_follow = False
        try:
            answer = make()
            is_to_follow = answer is None
            if answer is not None:
                with suppress(ProtocolClosed):  # the client left; what was done is done
                    _send(request.protocol, answer)
        except Exception as error:  # noqa: BLE001 - logged; the thread serves the next request
            log.critical("request_faulty", fault=type(error).__name__)
        finally:
            if not is_to_follow:
                self._following.discard(request.finished)
                self._finish(request.finished)

    def _commit(self, work: Work) -> None:
        """Have a group of messages committed, of which one waits at most."""
        if not self._committers.submit(work):
            work()

    def _finish(self, finished: "asyncio.Future[None]") -> None:
        """Have the request's coroutine end: soon, since the client has its answer already.

        The event loop is woken up once for all that finish within FINISH_SECONDS.
        """
        self._finished.append(finished)
        if not self._is_finishing:
            self._is_finishing = True
            self._loop.call_soon_threadsafe(
                self._loop.call_later, FINISH_SECONDS, self._set_results
            )

    def _set_results(self) -> None:
        self._is_finishing = False  # first: what is appended from here on wakes the loop again
        while self._finished:
            finished = self._finished.popleft()
            if not finished.done():
                finished.set_result(None)


def _declared_length(scope: Scope) -> int | None:
    """Return the length of the body; None if it is chunked. Raises HTTPException.

    A chunked body that breaks off ends like a complete one. For JSON that is no matter, because it
    cannot be parsed; a form could lose its last fields, so a form must say its length.
    """
    headers = scope.headers
    if "transfer-encoding" in headers:
        if "json" not in headers.get("content-type", ""):
            raise LengthRequired
        return None
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise BadRequest
    return int(length)


async def _read_chunks(protocol: HTTPProtocol, limit: int, reserved: _Reservation) -> bytes:
    chunks: list[bytes] = []
    async for chunk in protocol:
        chunks.append(chunk)
        reserved.add(len(chunk))
        if reserved.size > limit:
            raise RequestEntityTooLarge
    return b"".join(chunks)


def _send(protocol: HTTPProtocol, answer: Answer) -> None:
    # granian names itself unless an answer has that field
    headers = [*answer.headers, ("Server", "")]
    protocol.response_bytes(answer.status, headers, answer.body)
