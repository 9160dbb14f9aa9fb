"""Group commit: messages that arrive at the same time share one transaction.

A transaction costs about the same for one message as for twenty, mostly its wait for the disk. The
first thread to arrive leads: it commits all queued messages, then passes leadership to a thread
that arrived meanwhile. A message that arrives alone is committed at once.

Measured with 16 threads on two busy cores, in messages a second, against one transaction each:
SQLite 1000 to 1800 instead of 240 to 280; PostgreSQL 370 to 420 instead of 230 to 260.
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
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, submission: Submission) -> Done[SubmissionResult]:
        """Return the relay's decision on one message, rendered. Raises what the database raises."""
        pending = _Pending(submission)
        with self._lock:
            self._queue.append(pending)
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
            if self._queue:
                self._queue[0].turn.release()
        for each in group:
            if each.turn.locked():
                each.turn.release()
