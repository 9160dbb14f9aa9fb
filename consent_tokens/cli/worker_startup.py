"""How a web process begins, and hears that it is to stop, under granian."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import click

STOP_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
AGAIN_SECONDS: Final = 0.02  # between tries to connect
ANSWER_SECONDS: Final = 1.0


def block_stop_signals() -> None:
    """Keep what tells this process to stop until `next_stop` asks for it.

    For this thread and those that it begins from here on: else any of them might take the signal
    while the one that Python runs handlers in sleeps on.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def wait_for_stop() -> int:
    """Wait until this process is told to stop, or was already; return the signal."""
    return signal.sigwait(STOP_SIGNALS)


@dataclass(frozen=True, slots=True)
class WorkerStartup:
    """What granian calls in each web process to load the app.

    granian listens to signals, and on its socket, only once the app is loaded; and the process
    that it loads it in begins as a copy of one that did listen. So what is said before is held
    until there is somebody who hears it, and `ready` is said when it is so.
    """

    load: Callable[[], Any]
    address: tuple[str, int]
    base_url: str

    def __call__(self) -> Any:  # noqa: ANN401 - a WSGI app
        """Return the app, and see to the rest in a thread of its own."""
        block_stop_signals()  # where it was spawned it does not hold them yet
        app = self.load()
        inherited = signal.getsignal(signal.SIGTERM)
        attending = threading.Thread(
            target=self._wait_until_reachable, args=(inherited,), name="beginning", daemon=True
        )
        attending.start()
        return app

    def _wait_until_reachable(self, inherited: object) -> None:
        again = threading.Event()
        # another web process may be the one that is reached, while this one does not hear yet
        while signal.getsignal(signal.SIGTERM) is inherited or not self._is_reached():
            again.wait(AGAIN_SECONDS)
        if not signal.sigpending() & STOP_SIGNALS:
            click.echo(f"consent-tokens: ready at {self.base_url} - open it in a browser", err=True)
        while True:
            number = wait_for_stop()
            handler = signal.getsignal(number)
            if callable(handler):
                handler(number, None)

    def _is_reached(self) -> bool:
        try:
            socket.create_connection(self.address, ANSWER_SECONDS).close()
        except OSError:
            return False
        return True


def block_stop_signals_in_children() -> None:
    """Have every process that is forked from now on hold them from its first moment.

    They are held before the fork already: what a child is told before it has run at all would be
    lost otherwise.
    """
    os.register_at_fork(before=block_stop_signals, after_in_parent=_unblock_stop_signals)


def _unblock_stop_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
