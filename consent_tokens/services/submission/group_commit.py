"""Messages that arrive side by side are accepted together.

A transaction costs the same for one message as for twenty, most of all its wait for the disk. So
whoever comes while one is under way waits for it, and then all who waited share the next: the first
of them leads, the others find their verdicts made. Nobody waits who comes alone.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from consent_tokens.app_context import World
from consent_tokens.errors import ConsentTokensError
from consent_tokens.services.submission.accept import Verdict, Verified, accept_all

MOST_TOGETHER: Final = 200


def _closed() -> threading.Lock:
    """Return a gate that is shut: to take it again is to wait until somebody opens it."""
    gate = threading.Lock()
    gate.acquire()
    return gate


@dataclass(slots=True)
class _Ticket:
    """One message in the queue, and what came of it."""

    merchant_id: str
    draft: Verified
    turn: threading.Lock = field(default_factory=_closed)  # opened when it is done, or is to lead
    verdict: Verdict | None = None
    fault: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.verdict is not None or self.fault is not None


@dataclass(slots=True)
class Gatherer:
    """The queue in front of the relay, one a process."""

    world: World
    _waiting: deque[_Ticket] = field(default_factory=deque)
    _is_led: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, merchant_id: str, draft: Verified) -> Verdict:
        """Return the relay's answer. Raises what the store raises."""
        ticket = _Ticket(merchant_id, draft)
        with self._lock:
            self._waiting.append(ticket)
            leads, self._is_led = not self._is_led, True
        if not leads:
            ticket.turn.acquire()
        if not ticket.is_done:
            self._lead()
        if ticket.fault is not None and not isinstance(ticket.fault, ConsentTokensError):
            # perhaps another's: what is wrong with one message is wrong for it alone
            return self.world.store.run(
                lambda transaction: accept_all(self.world, transaction, [(merchant_id, draft)])
            )[0]
        if ticket.verdict is None:
            raise ticket.fault or RuntimeError("a ticket was left without an answer")
        return ticket.verdict

    def _lead(self) -> None:
        """Accept all who wait, pass the lead on to who came meanwhile, and let all go."""
        with self._lock:
            count = min(len(self._waiting), MOST_TOGETHER)
            group = [self._waiting.popleft() for _ in range(count)]
        asked = [(ticket.merchant_id, ticket.draft) for ticket in group]
        try:
            verdicts = self.world.store.run(
                lambda transaction: accept_all(self.world, transaction, asked)
            )
            for ticket, verdict in zip(group, verdicts, strict=True):
                ticket.verdict = verdict
        except Exception as fault:  # noqa: BLE001 - handed to each whom it concerns, and raised there
            for ticket in group:
                ticket.fault = fault
        with self._lock:
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].turn.release()
        for ticket in group:
            if ticket.turn.locked():
                ticket.turn.release()
