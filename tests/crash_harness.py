"""Dispatchers that die: `python -m tests.crash_harness`, told by JSON lines on standard input.

    {"start": {"CONSENT_...": ...}, "point": "after_lease" or null, "nth": 2, "lease": 1}
    {"kill": pid}      {"stop": pid}

Each is a process of its own, forked from one that has everything imported, so that hundreds can be
killed in a minute. What a dispatcher does is the product's own; only where it dies is said here.
Answers `{"pid": ...}` to each start, and `{"dead": pid, "signal": ...}` once that process is.
"""

import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from consent_tokens import logging_setup as logs
from consent_tokens.app_context import AppContext
from consent_tokens.gateways.smpp import gateway
from consent_tokens.gateways.smpp import ipc as wire
from consent_tokens.services.dispatch import lease as take
from consent_tokens.services.dispatch import outcomes as conclude
from consent_tokens.services.dispatch import round as dispatch
from consent_tokens.settings import Settings
from consent_tokens.store import messages
from consent_tokens.workers import dispatcher

POINTS = ("before_lease", "after_lease", "in_submit", "before_record", "after_record")
Anything = Callable[..., Any]
STOP = threading.Event()  # of a child: it is born with the handler that sets it


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(deed: Anything, nth: int) -> Anything:
    """Return a deed that kills the process when it is begun for the nth time."""
    calls = iter(range(1, 1_000_000))

    def until(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever it takes
        if next(calls) == nth:
            die()
        return deed(*args, **kwargs)

    return until


def in_submit(nth: int) -> None:
    """Have this process die once its nth message is with the line: nobody lives to see the answer.

    The process that speaks SMPP is another one: it has to notice.
    """
    tickets, say = iter(range(1, 1_000_000)), gateway.SmppGateway._write
    is_due = threading.Event()

    def put_submission(*args: Any) -> Any:  # noqa: ANN401 - whatever it takes
        if next(tickets) == nth:
            is_due.set()
        return wire.encode_submission(*args)

    def said(*args: Any) -> None:  # noqa: ANN401 - whatever it takes
        say(*args)
        if is_due.is_set():
            time.sleep(0.005)
            die()

    gateway.encode_submission = put_submission  # type: ignore[attr-defined, assignment]  # that is the point
    gateway.SmppGateway._write = said  # type: ignore[method-assign, assignment]  # see above


def arm(point: str | None, nth: int) -> None:
    """Have this process die at a named point."""
    if point == "before_lease":
        messages.lease = deadly(messages.lease, nth)
    elif point == "after_lease":
        dispatch._submit_all = deadly(dispatch._submit_all, nth)
    elif point == "in_submit":
        in_submit(nth)
    elif point == "before_record":
        dispatch._record_group = deadly(dispatch._record_group, nth)
    elif point == "after_record":
        counting = dispatcher.Dispatcher._account
        dispatcher.Dispatcher._account = deadly(counting, nth)  # type: ignore[method-assign]  # see above


def hurry(lease: int) -> None:
    """Have leases end soon, so that a test need not wait for half a minute after each kill."""
    take.LEASE_DURATION = timedelta(seconds=lease)  # type: ignore[misc]  # a shorter one
    conclude.MAX_CLOCK_SKEW = timedelta(seconds=0)  # type: ignore[misc]  # one machine, one clock
    dispatch.SUBMIT_WITHIN_SECONDS = lease / 2  # type: ignore[misc]  # as much shorter
    dispatcher.MAINTENANCE_SECONDS = 0.3  # type: ignore[misc]  # as much more often


def live(told: dict[str, Any]) -> None:
    """Be a dispatcher, in a child."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    logs.configure()
    arm(told.get("point"), told.get("nth", 1))
    if told.get("lease"):
        hurry(told["lease"])
    running = dispatcher.Dispatcher(AppContext.of(Settings.from_environment(told["start"])))
    running.start()
    STOP.wait()
    running.stop()


def say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def reap(children: set[int]) -> None:
    for pid in list(children):
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            children.discard(pid)
            say({"dead": pid, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0})


def start(told: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            live(told)
            code = 0
        finally:
            os._exit(code)
    return pid


def main(arguments: Sequence[str] = ()) -> None:
    del arguments
    signal.signal(signal.SIGTERM, lambda _signal, _frame: STOP.set())
    children: set[int] = set()
    say({"ready": True})
    rest = b""
    while True:
        readable, _, _ = select.select([0], [], [], 0.02)
        reap(children)
        if not readable:
            continue
        data = os.read(0, 65536)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            told = json.loads(line)
            if "start" in told:
                pid = start(told)
                children.add(pid)
                say({"pid": pid})
            else:
                name, pid = next(iter(told.items()))
                if pid in children:
                    os.kill(pid, getattr(signal, f"SIG{name.upper()}"))
    for pid in children:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
