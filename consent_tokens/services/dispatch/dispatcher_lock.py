"""One dispatcher at a time on SQLite: the lock of a file beside the database, freed by any exit."""

import fcntl
import os
import threading
from dataclasses import dataclass
from typing import Final

from consent_tokens.errors import DispatcherRunningError
from consent_tokens.store.database import Database

OWNER_ONLY: Final = 0o600
RETRY_SECONDS: Final = 0.05
MAX_TRIES: Final = 40  # a killed dispatcher's child may hold the lock a moment longer


@dataclass(frozen=True, slots=True)
class DispatcherLock:
    """The right to dispatch from a database alone, held while a descriptor of it is open.

    A process that inherits the descriptors holds it as well. On PostgreSQL there are none.
    """

    descriptors: tuple[int, ...] = ()

    def release(self) -> None:
        """Close this process's descriptors."""
        for each in self.descriptors:
            os.close(each)


def acquire_dispatcher_lock(database: Database) -> DispatcherLock:
    """Return the lock of a SQLite database; on PostgreSQL any number may dispatch.

    Raises DispatcherRunningError if another process holds it and keeps it.
    """
    file = database.sqlite_path
    if file is None:
        return DispatcherLock()
    descriptor = os.open(f"{file}.dispatcher", os.O_RDWR | os.O_CREAT, OWNER_ONLY)
    for _ in range(MAX_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            threading.Event().wait(RETRY_SECONDS)
        else:
            return DispatcherLock((descriptor,))
    os.close(descriptor)
    raise DispatcherRunningError(
        f"another dispatcher works on {file}; SQLite takes one at a time. "
        "Stop that one first, or use PostgreSQL"
    )
