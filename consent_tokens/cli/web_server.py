"""Listen for HTTP: granian's processes around `web.rsgi`, and what they need of the system."""

import resource
import socket
import threading
from collections.abc import Callable, Sized
from functools import partial
from typing import Final

import click
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server import Server

from consent_tokens.web.rsgi import RsgiApp

STOP_SECONDS: Final = 30  # after which a web process that does not stop is killed
# For the headers of a request, and between two requests of a connection: a proxy in front has to
# close its idle connections earlier.
HEADER_MILLISECONDS: Final = 15_000
MAX_CONNECTIONS: Final = 8192  # of one process, as far as its open files allow
LISTEN_QUEUE: Final = 2048
SPAWN_POLL_SECONDS: Final = 0.05
OTHER_FILES: Final = 256  # database, journal, gateway, webhooks


def serve_http(
    bind: tuple[str, int],
    workers: int,
    load: Callable[[], RsgiApp],
    on_spawned: Callable[[], None] | None = None,
) -> None:
    """Answer HTTP/1.1 in so many processes, each with an app that it loads, until a stop signal.

    `on_spawned` is called here, in a thread, once the processes are there: what it starts or opens
    is then not copied into them.
    """
    host, port = bind
    server = Server(
        target="consent_tokens",  # only a name for the process list: a loader makes the app
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS),
        websockets=False,
        workers=workers,
        backlog=LISTEN_QUEUE,
        backpressure=_allow_connections(),
        log_enabled=False,
        workers_kill_timeout=STOP_SECONDS,
    )
    if on_spawned:
        waiting = partial(_call_once_spawned, server.wrks, workers, on_spawned)
        threading.Thread(target=waiting, name="spawned", daemon=True).start()
    # granian's annotation knows functions only, but it also takes an object with `__rsgi__`
    server.serve(target_loader=load, wrap_loader=False)  # type: ignore[arg-type]  # see above


def _call_once_spawned(spawned: Sized, workers: int, call: Callable[[], None]) -> None:
    poll = threading.Event()
    while len(spawned) < workers:
        poll.wait(SPAWN_POLL_SECONDS)
    call()


def check_port_is_free(bind: tuple[str, int]) -> None:
    """Raise click.ClickException if another process listens there.

    granian shares a port with whoever else shares it (SO_REUSEPORT), so it would not notice.
    """
    host, port = bind
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise click.ClickException(
                f"cannot listen on {host}:{port}: {error.strerror}"
            ) from error


def _allow_connections() -> int:
    """Raise the limit of open files as far as it may be; return how many connections fit in."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, allowed - OTHER_FILES)
