"""The rounds of a dispatcher that are submitted and not all recorded, the oldest first."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeAlias

from consent_tokens.services.dispatch.round import Round, RoundResult

# starts a round, and records in the same transaction what is left of another
StartRound: TypeAlias = Callable[[Round | None], Round]


@dataclass(slots=True)
class RoundsInFlight:
    """Records the oldest round while the next one is leased (decision 71).

    On PostgreSQL by a thread. SQLite has a single writer: there one transaction does both, when two
    rounds are in flight, so that the first of them has its answers already (SMPP is a process of
    its own; Kannel submits once it is asked for answers).
    """

    is_sqlite: bool
    on_recorded: Callable[[RoundResult], None]
    _rounds: deque[Round] = field(default_factory=deque)
    _recorder: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="recorder")
    )

    @property
    def messages(self) -> int:
        """Return how many messages were leased for these rounds."""
        return sum(each.leased for each in self._rounds)

    def start(self, start_round: StartRound) -> Round:
        """Start a round, and record the oldest one; all of them if one of both fails.

        Raises what `start_round` raises, and what the database raises.
        """
        start = self._start_and_record if self.is_sqlite else self._start_beside_recording
        try:
            return start(start_round)
        except Exception:
            self.finish()
            raise

    def finish(self) -> None:
        """Record all rounds, and wait for the answers of the gateway.

        One that fails keeps no other from being recorded. Raises what the last that failed did.
        """
        with ExitStack() as oldest_first:
            while self._rounds:
                oldest_first.callback(self._finish, self._rounds.pop())

    def close(self) -> None:
        """End the thread."""
        self._recorder.shutdown()

    def _start_and_record(self, start_round: StartRound) -> Round:
        oldest = self._rounds[0] if len(self._rounds) > 1 else None
        started = self._add(start_round(oldest))
        if oldest is not None:
            self._finish(self._rounds.popleft())
        return started

    def _start_beside_recording(self, start_round: StartRound) -> Round:
        if not self._rounds:
            return self._add(start_round(None))
        recorded = self._recorder.submit(self._finish, self._rounds.popleft())
        try:
            return self._add(start_round(None))
        finally:
            try:
                recorded.result()
            finally:
                del recorded  # else its exception keeps itself and this frame in memory

    def _add(self, started: Round) -> Round:
        """Remember a round at once: what it leased is submitted, whatever fails next."""
        self._rounds.append(started)
        return started

    def _finish(self, each: Round) -> None:
        self.on_recorded(each.finish())
