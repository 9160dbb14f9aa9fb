"""Messages that arrive side by side are accepted together.

A transaction costs the same for one message as for twenty, most of all its wait for the disk. So
whoever comes while one is under way waits for it, and then all who waited share the next: the first
of them leads, the others find their verdicts made. Nobody waits who comes alone.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from consent_tokens.errors import ConsentTokensError
from consent_tokens.flow.accept import Verdict, Verified, accept_all
from consent_tokens.world import World

MOST_TOGETHER: Final = 200


@dataclass(slots=True)
class _Ticket:
    """One message in the queue, and what came of it."""

    merchant_id: str
    draft: Verified
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
    _leads: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, merchant_id: str, draft: Verified) -> Verdict:
        """Return the relay's answer. Raises what the store raises."""
        ticket = _Ticket(merchant_id, draft)
        self._waiting.append(ticket)
        with self._leads:
            if not ticket.is_done:
                self._accept_waiting()
        if ticket.fault is not None and not isinstance(ticket.fault, ConsentTokensError):
            # perhaps another's: what is wrong with one message is wrong for it alone
            return self.world.store.run(
                lambda transaction: accept_all(self.world, transaction, [(merchant_id, draft)])
            )[0]
        if ticket.verdict is None:
            raise ticket.fault or RuntimeError("a ticket was left without an answer")
        return ticket.verdict

    def _accept_waiting(self) -> None:
        """Accept all who wait, and answer each: with a verdict, or with what went wrong."""
        count = min(len(self._waiting), MOST_TOGETHER)
        group = [self._waiting.popleft() for _ in range(count)]
        asked = [(ticket.merchant_id, ticket.draft) for ticket in group]
        try:
            verdicts = self.world.store.run(
                lambda transaction: accept_all(self.world, transaction, asked)
            )
        except Exception as fault:  # noqa: BLE001 - handed to each whom it concerns, and raised there
            for ticket in group:
                ticket.fault = fault
            return
        for ticket, verdict in zip(group, verdicts, strict=True):
            ticket.verdict = verdict
