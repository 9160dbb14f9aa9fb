"""One dispatcher at a time on SQLite: the lock of a file beside the database, freed by any end."""

import fcntl
import os
import threading
from dataclasses import dataclass
from typing import Final

from consent_tokens.errors import DispatcherRunningError
from consent_tokens.store.database import Database

OWNER_ONLY: Final = 0o600
RETRY_SECONDS: Final = 0.05
MAX_TRIES: Final = 40  # a predecessor that was killed may have a line that has not heard of it yet


@dataclass(frozen=True, slots=True)
class DispatcherLock:
    """That nobody else dispatches from a database, for as long as a descriptor of it is open.

    Who inherits the descriptors holds it as well. On PostgreSQL there are none.
    """

    descriptors: tuple[int, ...] = ()

    def release(self) -> None:
        """Let others have it, as far as this process is concerned."""
        for each in self.descriptors:
            os.close(each)


def acquire_dispatcher_lock(store: Database) -> DispatcherLock:
    """Return that nobody else dispatches from this database. On PostgreSQL as many may as want to.

    Raises NotAloneError if somebody does, and goes on to.
    """
    file = store.engine.url.database
    if not store.is_sqlite or file is None:
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
