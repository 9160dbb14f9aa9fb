"""Dispatchers that crash: `python -m tests.crash_harness`, with JSON commands on standard input.

    {"start": {"CONSENT_...": ...}, "point": "after_lease" or null, "nth": 2, "lease": 1}
    {"kill": pid}      {"stop": pid}

Each dispatcher is a process of its own, forked from one that has everything imported, so that
hundreds can be killed in a minute. It runs the product's own code; only where it crashes is set
here. Writes `{"pid": ...}` for each start, and `{"dead": pid, "signal": ...}` when a process ends.
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

from consent_tokens import logging_setup
from consent_tokens.app_context import AppContext
from consent_tokens.gateways.smpp import gateway, ipc
from consent_tokens.services.dispatch import lease, outcomes
from consent_tokens.services.dispatch import round as dispatch_round
from consent_tokens.settings import Settings
from consent_tokens.store import outbox
from consent_tokens.workers import dispatcher

POINTS = ("before_lease", "after_lease", "in_submit", "before_record", "after_record")
Anything = Callable[..., Any]
STOP = threading.Event()  # of a child, which inherits the signal handler that sets it


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def crash_at_call(work: Anything, nth: int) -> Anything:
    """Return a function that kills the process at its nth call, and otherwise calls `work`."""
    calls = iter(range(1, 1_000_000))

    def counted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever it takes
        if next(calls) == nth:
            die()
        return work(*args, **kwargs)

    return counted


def crash_in_submit(nth: int) -> None:
    """Have this process die once its nth message was submitted, before there is a response.

    The SMPP client is a process of its own, which has to notice.
    """
    tickets, write = iter(range(1, 1_000_000)), gateway.SmppGateway._write
    is_due = threading.Event()

    def encode_submission(*args: Any) -> Any:  # noqa: ANN401 - whatever it takes
        if next(tickets) == nth:
            is_due.set()
        return ipc.encode_submission(*args)

    def write_and_crash(*args: Any) -> None:  # noqa: ANN401 - whatever it takes
        write(*args)
        if is_due.is_set():
            time.sleep(0.005)
            die()

    gateway.encode_submission = encode_submission  # type: ignore[attr-defined, assignment]  # that is the point
    gateway.SmppGateway._write = write_and_crash  # type: ignore[method-assign, assignment]  # see above


def arm(point: str | None, nth: int) -> None:
    """Have this process die at a named point."""
    if point == "before_lease":
        outbox.lease = crash_at_call(outbox.lease, nth)
    elif point == "after_lease":
        dispatch_round._submit_all = crash_at_call(dispatch_round._submit_all, nth)
    elif point == "in_submit":
        crash_in_submit(nth)
    elif point == "before_record":
        dispatch_round._settle_group = crash_at_call(dispatch_round._settle_group, nth)
    elif point == "after_record":
        account = dispatcher.Dispatcher._account
        dispatcher.Dispatcher._account = crash_at_call(account, nth)  # type: ignore[method-assign]  # see above


def shorten_leases(seconds: int) -> None:
    """Have leases end soon, so that a test need not wait for half a minute after each kill."""
    lease.LEASE_DURATION = timedelta(seconds=seconds)  # type: ignore[misc]  # a shorter one
    outcomes.MAX_CLOCK_SKEW = timedelta(seconds=0)  # type: ignore[misc]  # one machine, one clock
    dispatch_round.SUBMIT_WITHIN_SECONDS = seconds / 2  # type: ignore[misc]  # as much shorter
    dispatcher.MAINTENANCE_SECONDS = 0.3  # type: ignore[misc]  # as much more often


def run_dispatcher(command: dict[str, Any]) -> None:
    """Run a dispatcher until it is stopped, in a child."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    logging_setup.configure()
    arm(command.get("point"), command.get("nth", 1))
    if command.get("lease"):
        shorten_leases(command["lease"])
    settings = Settings.from_environment(command["start"])
    running = dispatcher.Dispatcher(AppContext.from_settings(settings))
    running.start()
    STOP.wait()
    running.stop()


def write_line(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def reap(children: set[int]) -> None:
    for pid in list(children):
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            children.discard(pid)
            write_line(
                {"dead": pid, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}
            )


def start(command: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run_dispatcher(command)
            code = 0
        finally:
            os._exit(code)
    return pid


def main(arguments: Sequence[str] = ()) -> None:
    del arguments
    signal.signal(signal.SIGTERM, lambda _signal, _frame: STOP.set())
    children: set[int] = set()
    write_line({"ready": True})
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
            command = json.loads(line)
            if "start" in command:
                pid = start(command)
                children.add(pid)
                write_line({"pid": pid})
            else:
                name, pid = next(iter(command.items()))
                if pid in children:
                    os.kill(pid, getattr(signal, f"SIG{name.upper()}"))
    for pid in children:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
