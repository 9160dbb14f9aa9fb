"""One dispatcher at a time on SQLite: the lock of a file beside the database, freed by any end."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from consent_tokens.errors import NotAloneError
from consent_tokens.store.engine import Store

OWNER_ONLY: Final = 0o600


def alone(store: Store) -> Callable[[], None]:
    """Return how to let go, once nobody else dispatches from this database.

    Raises NotAloneError if somebody does. On PostgreSQL as many may as want to.
    """
    file = store.engine.url.database
    if not store.is_sqlite or file is None:
        return lambda: None
    path = Path(f"{file}.dispatcher")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        os.close(descriptor)
        raise NotAloneError(
            f"another dispatcher works on {file}; SQLite takes one at a time. "
            "Stop that one first, or use PostgreSQL"
        ) from fault
    return lambda: os.close(descriptor)
