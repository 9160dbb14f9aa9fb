"""Start a web process under granian, and pass stop signals to it once it handles them."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import click

STOP_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
RETRY_SECONDS: Final = 0.02  # between tries to connect
CONNECT_SECONDS: Final = 1.0


def block_stop_signals() -> None:
    """Block stop signals until `wait_for_stop` receives them.

    In this thread and those that it starts from here on: otherwise any of them might take the
    signal while the main thread, which runs Python's handlers, sleeps on.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def wait_for_stop() -> int:
    """Wait for a stop signal, or take the one that is pending; return its number."""
    return signal.sigwait(STOP_SIGNALS)


@dataclass(frozen=True, slots=True)
class WorkerStartup:
    """What granian calls in each web process to load the app.

    granian handles signals only once its event loop runs, and the process that loads the app starts
    as a copy of one that did handle them. So signals stay blocked, and a thread waits for them; it
    passes them on, and prints "ready", when the loop runs and the socket accepts connections.
    """

    load: Callable[[Callable[[], None]], Any]  # takes what is to be called once the loop runs
    bind: tuple[str, int]
    base_url: str

    def __call__(self) -> Any:  # noqa: ANN401 - an RSGI app
        """Return the app, and start the thread that passes signals on."""
        block_stop_signals()  # a process that was spawned, not forked, does not block them yet
        is_running = threading.Event()
        app = self.load(is_running.set)
        threading.Thread(
            target=self._pass_signals, args=(is_running,), name="startup", daemon=True
        ).start()
        return app

    def _pass_signals(self, is_running: threading.Event) -> None:
        is_running.wait()
        retry = threading.Event()
        while not self._accepts_connections():
            retry.wait(RETRY_SECONDS)
        if not signal.sigpending() & STOP_SIGNALS:
            click.echo(f"consent-tokens: ready at {self.base_url} - open it in a browser", err=True)
        while True:
            _deliver(wait_for_stop())

    def _accepts_connections(self) -> bool:
        try:
            socket.create_connection(self.bind, CONNECT_SECONDS).close()
        except OSError:
            return False
        return True


def _deliver(number: int) -> None:
    """Have the process's handler called: by a signal to this thread, which blocks it otherwise."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    signal.raise_signal(signal.Signals(number))
    block_stop_signals()


def block_stop_signals_in_children() -> None:
    """Block stop signals in every process that is forked from now on, from its first moment.

    They are blocked before the fork already: a signal that a child receives before it runs any
    code would be lost otherwise.
    """
    os.register_at_fork(before=block_stop_signals, after_in_parent=_unblock_stop_signals)


def _unblock_stop_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
