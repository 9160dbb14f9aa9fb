"""How a web process begins, and hears that it is to stop, under granian."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import click

STOPS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
AGAIN_SECONDS: Final = 0.02  # between tries to connect
ANSWER_SECONDS: Final = 1.0


def hold_stops() -> None:
    """Keep what tells this process to stop until `next_stop` asks for it.

    For this thread and those that it begins from here on: else any of them might take the signal
    while the one that Python runs handlers in sleeps on.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)


def next_stop() -> int:
    """Wait until this process is told to stop, or was already; return the signal."""
    return signal.sigwait(STOPS)


@dataclass(frozen=True, slots=True)
class Beginning:
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
        hold_stops()  # where it was spawned it does not hold them yet
        app = self.load()
        inherited = signal.getsignal(signal.SIGTERM)
        attending = threading.Thread(
            target=self._attend, args=(inherited,), name="beginning", daemon=True
        )
        attending.start()
        return app

    def _attend(self, inherited: object) -> None:
        again = threading.Event()
        # another web process may be the one that is reached, while this one does not hear yet
        while signal.getsignal(signal.SIGTERM) is inherited or not self._is_reached():
            again.wait(AGAIN_SECONDS)
        if not signal.sigpending() & STOPS:
            click.echo(f"consent-tokens: ready at {self.base_url} - open it in a browser", err=True)
        while True:
            number = next_stop()
            handler = signal.getsignal(number)
            if callable(handler):
                handler(number, None)

    def _is_reached(self) -> bool:
        try:
            socket.create_connection(self.address, ANSWER_SECONDS).close()
        except OSError:
            return False
        return True


def hold_stops_in_children() -> None:
    """Have every process that is forked from now on hold them from its first moment.

    They are held before the fork already: what a child is told before it has run at all would be
    lost otherwise.
    """
    os.register_at_fork(before=hold_stops, after_in_parent=_let_stops_in)


def _let_stops_in() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
