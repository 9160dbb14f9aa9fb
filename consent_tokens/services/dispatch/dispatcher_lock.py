"""One dispatcher at a time on SQLite, by a file lock that the kernel releases at any exit."""

import fcntl
import os
import threading
from dataclasses import dataclass
from typing import Final

from consent_tokens.errors import DispatcherRunningError
from consent_tokens.store.database import Database

OWNER_ONLY: Final = 0o600  # file mode
RETRY_SECONDS: Final = 0.05
MAX_TRIES: Final = 40  # a killed dispatcher's child process may keep the lock a little longer


@dataclass(frozen=True, slots=True)
class DispatcherLock:
    """An exclusive lock on dispatching, held while any of its file descriptors is open.

    A child process that inherits the descriptors holds it too. On PostgreSQL there are none.
    """

    descriptors: tuple[int, ...] = ()

    def release(self) -> None:
        """Close this process's descriptors."""
        for each in self.descriptors:
            os.close(each)


def acquire_dispatcher_lock(database: Database) -> DispatcherLock:
    """Lock a SQLite database for one dispatcher; on PostgreSQL any number may run.

    Raises DispatcherRunningError if another process still holds the lock after two seconds.
    """
    path = database.sqlite_path
    if path is None:
        return DispatcherLock()
    descriptor = os.open(f"{path}.dispatcher", os.O_RDWR | os.O_CREAT, OWNER_ONLY)
    for _ in range(MAX_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            threading.Event().wait(RETRY_SECONDS)
        else:
            return DispatcherLock((descriptor,))
    os.close(descriptor)
    raise DispatcherRunningError(
        f"another dispatcher is running on {path}; SQLite allows only one. "
        "Stop it first, or use PostgreSQL"
    )
