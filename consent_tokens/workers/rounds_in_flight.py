"""The rounds of a dispatcher that are submitted and not all recorded, the oldest first."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

from consent_tokens.services.dispatch.round import Round, RoundResult

# starts a round, and records in the same transaction what is left of another
StartRound: TypeAlias = Callable[[Round | None], Round]


@dataclass(slots=True)
class RoundsInFlight:
    """Records the oldest round while the next one is leased (decision 71).

    On PostgreSQL by a thread. SQLite has a single writer: there one transaction does both, when two
    rounds are in flight, so that the first of them has its answers already.
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
        """Start a round, and record the oldest one; all of them if it cannot be started.

        Raises what `start_round` raises, and what the database raises.
        """
        start = self._start_and_record if self.is_sqlite else self._start_beside_recording
        try:
            started = start(start_round)
        except Exception:
            self.finish()
            raise
        self._rounds.append(started)
        return started

    def finish(self) -> None:
        """Record all rounds, and wait for the answers of the gateway."""
        while self._rounds:
            self._finish_oldest()

    def close(self) -> None:
        """End the thread."""
        self._recorder.shutdown()

    def _start_and_record(self, start_round: StartRound) -> Round:
        oldest = self._rounds[0] if len(self._rounds) > 1 else None
        started = start_round(oldest)
        if oldest is not None:
            self._finish_oldest()
        return started

    def _start_beside_recording(self, start_round: StartRound) -> Round:
        if not self._rounds:
            return start_round(None)
        recorded = self._recorder.submit(self._finish_oldest)
        try:
            return start_round(None)
        finally:
            try:
                recorded.result()
            finally:
                del recorded  # else its exception keeps itself and this frame in memory

    def _finish_oldest(self) -> None:
        self.on_recorded(self._rounds.popleft().finish())
