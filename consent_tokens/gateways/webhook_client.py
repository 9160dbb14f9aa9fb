"""HTTP client for webhooks, protected against server-side request forgery (SSRF).

For each connection a host name is resolved once, and all its addresses must be public. The
connection goes to one of these addresses, so that another DNS answer a moment later changes nothing
(DNS rebinding). Connections are kept and reused by host name, never by address: a certificate that
was verified for one name says nothing about another. Redirects are not followed, proxies are not
used, and of the response only the status is kept.
"""

import ssl
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore

from consent_tokens.gateways.public_addresses import (
    PORTS,
    REQUIREMENT,
    ForbiddenAddressError,
    IPNetwork,
    resolve,
)

TOTAL_TIMEOUT_SECONDS: Final = 10.0  # of a request, from connecting to the status
MAX_CONCURRENT: Final = 128  # requests at one time
MAX_CONNECTIONS: Final = 256
IDLE_SECONDS: Final = 5.0  # that a connection is kept for the next request
MAX_DISCARDED_BYTES: Final = 64 * 1024  # of a response: after more its connection is not reused
USER_AGENT: Final = "consent-tokens"


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of a request: `outcome` is a status or a kind of error, never response text."""

    outcome: str
    is_success: bool = False
    is_final: bool = False  # do not retry


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """What is posted to a URL."""

    headers: Mapping[str, str]
    body: bytes


class WebhookClient:
    """Posts to the URLs that merchants choose. Thread-safe."""

    def __init__(self, private_networks: Sequence[IPNetwork] = ()) -> None:
        """Create a client that may also call `private_networks`, which the operator allows."""
        self._private_networks = tuple(private_networks)
        self._threads = ThreadPoolExecutor(MAX_CONCURRENT, thread_name_prefix="webhook-post")
        self._pools = {scheme: self._new_pool(scheme) for scheme in PORTS}

    def _new_pool(self, scheme: str) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            ssl_context=_tls_context(),
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=_CheckedNetwork(scheme, self._private_networks),
        )

    def close(self) -> None:
        """Finish the requests in flight, and close all connections."""
        self._threads.shutdown()
        for pool in self._pools.values():
            pool.close()

    def refusal(self, url: str) -> str | None:
        """Return why a URL is not allowed; None if it is, or if its name does not resolve yet."""
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS.get(parts.scheme, 0)
        except ValueError:
            return REQUIREMENT
        try:
            resolve(parts.scheme, parts.hostname or "", port, self._private_networks)
        except OSError:
            # the name may resolve later; it is checked again for each connection
            return None if parts.scheme == "https" else REQUIREMENT
        except ForbiddenAddressError as error:
            return str(error)
        return None

    def post_all(self, url: str, requests: Sequence[WebhookRequest]) -> list[CallResult]:
        """Post several bodies side by side, each once; return the results in the same order."""
        if len(requests) == 1:
            return [self.post(url, requests[0].headers, requests[0].body)]
        post = partial(self._post_one, url)
        return list(self._threads.map(post, requests))

    def _post_one(self, url: str, request: WebhookRequest) -> CallResult:
        return self.post(url, request.headers, request.body)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> CallResult:
        """Post a body once. Network errors become results and are never raised."""
        _budget.ends_at = time.monotonic() + TOTAL_TIMEOUT_SECONDS
        pool = self._pools.get(urlsplit(url).scheme)
        if pool is None:
            return CallResult("address_forbidden")
        try:
            with pool.stream(
                "POST",
                url,
                headers=[*headers.items(), ("user-agent", USER_AGENT)],
                content=body,
                extensions={"timeout": {"pool": TOTAL_TIMEOUT_SECONDS}},
            ) as response:
                status = response.status
                with suppress(httpcore.NetworkError, httpcore.TimeoutException, _TooLargeError):
                    _discard(response.iter_stream())  # so that the connection can be used again
        except ForbiddenAddressError:
            return CallResult("address_forbidden")
        except _UnknownNameError:
            return CallResult("name_unknown")
        except httpcore.TimeoutException:
            return CallResult("timeout")
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
        ) as error:
            return CallResult(type(error).__name__.lower())
        return _result_of(status)


@cache
def _tls_context() -> ssl.SSLContext:
    """Return the TLS settings of all connections; the system's certificates are read once."""
    return ssl.create_default_context()


class _Budget(threading.local):
    """Until when the request of this thread may go on, in monotonic seconds."""

    ends_at: float = 0.0

    def left(self) -> float:
        """Return the seconds that are left. Raises httpcore.ReadTimeout if there are none."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left


_budget = _Budget()


class _CheckedNetwork(httpcore.NetworkBackend):
    """Connects to addresses that have been checked, within what is left of the request's time."""

    def __init__(self, scheme: str, private_networks: Sequence[IPNetwork]) -> None:
        self._scheme, self._private_networks = scheme, private_networks
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        del timeout
        try:
            address = resolve(self._scheme, host, port, self._private_networks)
        except OSError as error:
            raise _UnknownNameError from error
        return _TimedStream(
            self._network.connect_tcp(
                str(address), port, _budget.left(), local_address, socket_options
            )
        )


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every step gets what is left of the request's time: dripping is no use."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        return self._stream.read(max_bytes, _budget.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self._stream.write(buffer, _budget.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        del timeout
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, _budget.left()))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as its base class
        return self._stream.get_extra_info(info)


class _UnknownNameError(Exception):
    """The host name does not resolve."""


class _TooLargeError(Exception):
    """The response has more than is read of it."""


def _discard(parts: Iterable[bytes]) -> None:
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_DISCARDED_BYTES:
            raise _TooLargeError


def _result_of(status: int) -> CallResult:
    """Return the result for a status (Standard Webhooks: 2xx is success, 410 stops retries)."""
    is_success = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    return CallResult(f"status_{status}", is_success=is_success, is_final=status == HTTPStatus.GONE)
