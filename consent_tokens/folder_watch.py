"""Notice changed files: look at a folder once in a few seconds, one thread at a time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

CHECK_SECONDS: Final = 5.0  # between looks at the folder: a few system calls

State = TypeVar("State")


@dataclass(slots=True, kw_only=True)
class FolderWatch(Generic[State]):
    """Reads a folder again when its files have changed, and keeps what is wrong with them.

    While `fault` says so, what was read before stays in use, and each look tries again.
    """

    read_state: Callable[[], State]  # tells whether files have changed; raises one of `errors`
    reread: Callable[[], None]  # puts what is there now to use; raises one of `errors`
    monotonic: Callable[[], float]  # seconds
    errors: tuple[type[Exception], ...]
    on_fault: Callable[[str], None]  # is called once for each new fault
    fault: str = ""  # of the last look; empty if what is in the folder is in use
    seen: State | None = None  # None: it is read at the next look
    looked_at: float = float("-inf")  # monotonic seconds
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look_if_due(self) -> None:
        """Look at the folder unless that was done lately, or another thread does."""
        is_due = self.monotonic() - self.looked_at >= CHECK_SECONDS
        if is_due and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()

    def look(self) -> None:
        """Look at the folder now."""
        with self._lock:
            self._look()

    def _look(self) -> None:
        self.looked_at = self.monotonic()
        try:
            state = self.read_state()
            if state == self.seen:
                return
            self.reread()
        except self.errors as error:
            self._fail(str(error))
            return
        self.seen, self.fault = state, ""

    def _fail(self, fault: str) -> None:
        if fault != self.fault:
            self.on_fault(fault)
        self.fault, self.seen = fault, None
