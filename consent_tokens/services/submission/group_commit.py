"""Group commit: messages that arrive at the same time share one transaction.

A transaction costs about the same for one message as for twenty, mostly its wait for the disk. The
first to arrive leads: its thread commits all queued messages, then passes leadership to that of one
that arrived meanwhile. A thread waits for its message, or `enqueue` says who commits instead. A
message that arrives alone is committed at once. Where several came before, the leader waits for as
many, while they keep coming.

Measured with 16 threads on two busy cores, in messages a second, against one transaction each:
SQLite 1000 to 1800 instead of 240 to 280; PostgreSQL 370 to 420 instead of 230 to 260.
Waiting for the others makes groups of 10 instead of 7: 1.10 times as many on SQLite, 1.35 on
PostgreSQL.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

import structlog

from consent_tokens.errors import ConsentTokensError
from consent_tokens.services.idempotency import ApiResponse, Done, IdempotencyKey
from consent_tokens.services.submission.message_request import MessageRequest, SubmissionResult

log = structlog.get_logger()

MAX_GROUP_SIZE: Final = 200
GATHER_SECONDS: Final = 0.001  # that the leader waits for more messages, as long as some arrive
MAX_GATHERINGS: Final = 10  # such waits for one group

Render = Callable[[SubmissionResult], ApiResponse]


class Submission(NamedTuple):
    """A message of a merchant, and how its answer is rendered, in the transaction that decides."""

    merchant_id: str
    request: MessageRequest
    render: Render
    key: IdempotencyKey | None = None


Outcome = Done[SubmissionResult] | Exception
AcceptAll = Callable[[Sequence[Submission]], Sequence[Outcome]]  # in one transaction
Value = TypeVar("Value")


class _Pending(NamedTuple):
    """A submission in the queue."""

    submission: Submission
    on_turn: Callable[[], None]  # has `lead` called, soon and by a thread that may wait
    on_done: Callable[[Outcome], None]


def _call_back(call: Callable[[Value], None], what: Value) -> None:
    """Call back, after the commit. A fault of one call keeps no other from being made."""
    try:
        call(what)
    except Exception as error:  # noqa: BLE001 - logged
        with suppress(OSError):  # of a log that cannot be written
            log.critical("callback_faulty", fault=type(error).__name__)


def _ignore(_outcomes: Sequence[Outcome]) -> None:
    """Do nothing with what was decided."""


@dataclass(slots=True)
class GroupCommit:
    """The queue of submissions of one process."""

    accept_all: AcceptAll
    on_outcomes: Callable[[Sequence[Outcome]], None] = (
        _ignore  # of a group, before `on_done` of each
    )
    _queue: deque[_Pending] = field(default_factory=deque)
    _has_leader: bool = False
    _expected: int = 1  # messages: as many as were there at the end of the group before
    _is_complete: threading.Event = field(default_factory=threading.Event)  # all of them are
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, submission: Submission) -> Done[SubmissionResult]:
        """Return the relay's decision on one message, rendered. Raises what the database raises."""
        turn = threading.Lock()  # released when done, or when this thread leads
        turn.acquire()
        outcomes: list[Outcome] = []

        def take(outcome: Outcome) -> None:
            outcomes.append(outcome)
            turn.release()

        self.enqueue(submission, turn.release, take)
        turn.acquire()
        if not outcomes:
            self.lead()
        if isinstance(outcomes[0], Exception):
            raise outcomes[0]
        return outcomes[0]

    def enqueue(
        self,
        submission: Submission,
        on_turn: Callable[[], None],
        on_done: Callable[[Outcome], None],
    ) -> None:
        """Queue a message. `on_turn` is called if `lead` is to be called for it; it may not raise.

        `on_done` is called once, in the thread that leads, with the decision or with what the
        database raises.
        """
        with self._lock:
            self._queue.append(_Pending(submission, on_turn, on_done))
            if len(self._queue) >= self._expected:
                self._is_complete.set()
            leads, self._has_leader = not self._has_leader, True
        if leads:
            on_turn()

    def lead(self) -> None:
        """Commit the queued submissions, pass leadership on, and say what was decided."""
        self._gather()
        with self._lock:
            count = min(len(self._queue), MAX_GROUP_SIZE)
            group = [self._queue.popleft() for _ in range(count)]
        outcomes = self._outcomes([each.submission for each in group])
        with self._lock:
            following = self._queue[0] if self._queue else None
            self._has_leader = following is not None
            self._expected = len(group) + len(self._queue)
            self._is_complete.clear()
        if following:
            following.on_turn()
        _call_back(self.on_outcomes, outcomes)
        for each, outcome in zip(group, outcomes, strict=True):
            _call_back(each.on_done, outcome)

    def _outcomes(self, group: Sequence[Submission]) -> Sequence[Outcome]:
        """Return what is decided on a group, or what the database raises, for each message."""
        try:
            return self.accept_all(group)
        except ConsentTokensError as error:
            return [error] * len(group)
        except Exception as error:  # noqa: BLE001 - it is the outcome of each
            # one of the group may have caused it: try each alone
            return [error] if len(group) == 1 else [self._outcomes([each])[0] for each in group]

    def _gather(self) -> None:
        """Wait until as many messages are there as were the last time, while they keep coming.

        Whoever was answered sends the next message, and those that are read just now arrive within
        milliseconds: one transaction for all of them takes half the processor time of two.
        """
        for _ in range(MAX_GATHERINGS):
            before = len(self._queue)
            if before >= self._expected or self._is_complete.wait(GATHER_SECONDS):
                return
            if len(self._queue) == before:
                return
