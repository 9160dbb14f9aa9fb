"""Messages that arrive side by side are accepted together.

A transaction costs the same for one message as for twenty, most of all its wait for the disk. So
whoever comes while one is under way waits for it, and then all who waited share the next: the first
of them leads, the others find their verdicts made. Nobody waits who comes alone.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from consent_tokens.app_context import AppContext
from consent_tokens.errors import ConsentTokensError
from consent_tokens.services.submission.accept import SubmissionResult, VerifiedRequest, accept_all

MAX_GROUP_SIZE: Final = 200


def _locked() -> threading.Lock:
    """Return a gate that is shut: to take it again is to wait until somebody opens it."""
    gate = threading.Lock()
    gate.acquire()
    return gate


@dataclass(slots=True)
class _PendingMessage:
    """One message in the queue, and what came of it."""

    merchant_id: str
    message: VerifiedRequest
    gate: threading.Lock = field(default_factory=_locked)  # opened when it is done, or is to lead
    result: SubmissionResult | None = None
    fault: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.result is not None or self.fault is not None


@dataclass(slots=True)
class GroupCommit:
    """The queue in front of the relay, one a process."""

    world: AppContext
    _queue: deque[_PendingMessage] = field(default_factory=deque)
    _has_leader: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, merchant_id: str, draft: VerifiedRequest) -> SubmissionResult:
        """Return the relay's answer. Raises what the store raises."""
        ticket = _PendingMessage(merchant_id, draft)
        with self._lock:
            self._queue.append(ticket)
            leads, self._has_leader = not self._has_leader, True
        if not leads:
            ticket.gate.acquire()
        if not ticket.is_done:
            self._lead()
        if ticket.fault is not None and not isinstance(ticket.fault, ConsentTokensError):
            # perhaps another's: what is wrong with one message is wrong for it alone
            return self.world.database.run(
                lambda transaction: accept_all(self.world, transaction, [(merchant_id, draft)])
            )[0]
        if ticket.result is None:
            raise ticket.fault or RuntimeError("a ticket was left without an answer")
        return ticket.result

    def _lead(self) -> None:
        """Accept all who wait, pass the lead on to who came meanwhile, and let all go."""
        with self._lock:
            count = min(len(self._queue), MAX_GROUP_SIZE)
            group = [self._queue.popleft() for _ in range(count)]
        asked = [(ticket.merchant_id, ticket.message) for ticket in group]
        try:
            verdicts = self.world.database.run(
                lambda transaction: accept_all(self.world, transaction, asked)
            )
            for ticket, verdict in zip(group, verdicts, strict=True):
                ticket.result = verdict
        except Exception as fault:  # noqa: BLE001 - handed to each whom it concerns, and raised there
            for ticket in group:
                ticket.fault = fault
        with self._lock:
            self._has_leader = bool(self._queue)
            if self._queue:
                self._queue[0].gate.release()
        for ticket in group:
            if ticket.gate.locked():
                ticket.gate.release()
