"""Group commit: messages that arrive at the same time share one transaction.

A transaction costs about the same for one message as for twenty, mostly its wait for the disk. The
first thread to arrive leads: it commits all queued messages, then passes leadership to a thread
that arrived meanwhile. A message that arrives alone is committed at once. Where several came
before, the leader waits for as many, while they keep coming.

Measured with 16 threads on two busy cores, in messages a second, against one transaction each:
SQLite 1000 to 1800 instead of 240 to 280; PostgreSQL 370 to 420 instead of 230 to 260.
Waiting for the others makes groups of 10 instead of 7: 1.10 times as many on SQLite, 1.35 on
PostgreSQL.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from consent_tokens.errors import ConsentTokensError
from consent_tokens.services.idempotency import ApiResponse, Done, IdempotencyKey
from consent_tokens.services.submission.message_request import MessageRequest, SubmissionResult

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


Outcome = Done[SubmissionResult] | ConsentTokensError
AcceptAll = Callable[[Sequence[Submission]], Sequence[Outcome]]  # in one transaction


def _locked() -> threading.Lock:
    """Return an acquired lock; another thread releases it."""
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True)
class _Pending:
    """A submission in the queue, and its result or error."""

    submission: Submission
    turn: threading.Lock = field(default_factory=_locked)  # released when done, or when it leads
    result: Done[SubmissionResult] | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.result is not None or self.error is not None


def _done(outcome: Outcome) -> Done[SubmissionResult]:
    if isinstance(outcome, ConsentTokensError):
        raise outcome
    return outcome


@dataclass(slots=True)
class GroupCommit:
    """The queue of submissions of one process."""

    accept_all: AcceptAll
    _queue: deque[_Pending] = field(default_factory=deque)
    _has_leader: bool = False
    _expected: int = 1  # messages: as many as were there at the end of the group before
    _is_complete: threading.Event = field(default_factory=threading.Event)  # all of them are
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, submission: Submission) -> Done[SubmissionResult]:
        """Return the relay's decision on one message, rendered. Raises what the database raises."""
        pending = _Pending(submission)
        with self._lock:
            self._queue.append(pending)
            if len(self._queue) >= self._expected:
                self._is_complete.set()
            leads, self._has_leader = not self._has_leader, True
        if not leads:
            pending.turn.acquire()
        if not pending.is_done:
            self._lead()
        if pending.error is not None and not isinstance(pending.error, ConsentTokensError):
            # another message of the group may have caused it: try this one alone
            return _done(self.accept_all([submission])[0])
        if pending.result is None:
            raise pending.error or RuntimeError("the group was committed without a result")
        return pending.result

    def _lead(self) -> None:
        """Commit the queued submissions, pass leadership on, and release the waiting threads."""
        self._gather()
        with self._lock:
            count = min(len(self._queue), MAX_GROUP_SIZE)
            group = [self._queue.popleft() for _ in range(count)]
        try:
            results = self.accept_all([each.submission for each in group])
            for each, result in zip(group, results, strict=True):
                if isinstance(result, ConsentTokensError):
                    each.error = result
                else:
                    each.result = result
        except Exception as error:  # noqa: BLE001 - each waiting thread raises it
            for each in group:
                each.error = error
        with self._lock:
            self._has_leader = bool(self._queue)
            self._expected = len(group) + len(self._queue)
            self._is_complete.clear()
            if self._queue:
                self._queue[0].turn.release()
        for each in group:
            if each.turn.locked():
                each.turn.release()

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
