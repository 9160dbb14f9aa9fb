"""The queue of those who write to a SQLite file: threads of a process, and processes.

SQLite lets one connection write at a time. The others try again after sleeps that grow from 1 to
100 ms, and whoever asks at the right moment is next: a process that has just committed, not one
that has waited (docs/decisions/, number 66).
"""

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Final, Self

MAX_WAIT_SECONDS: Final = 2.0  # in the queue; then SQLite's own lock is asked for
RETRY_SECONDS: Final = 0.0005
OWNER_ONLY: Final = 0o600
FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
WRITER, NEXT = 0, 1  # bytes of the file: whose lock says who writes, and who is next
NEVER: Final = threading.Event()


class WriterQueue:
    """Who may write to a SQLite file, in turns; a context manager around a transaction.

    It only brings order: SQLite's own lock keeps writers apart, also those that are not in the
    queue, because they waited for too long or may not open its file. The kernel releases a lock on
    a byte (fcntl) when its process ends, however it ends.
    """

    def __init__(self, database: Path) -> None:
        """Make the queue of a database; its file, beside the database, is opened when needed."""
        self._database = database
        self._threads = threading.Lock()
        self._file: int | None = None  # its descriptor; a lock on it is not a forked child's
        self._is_writer = False

    def __enter__(self) -> Self:
        """Wait for this thread's turn, and then for this process's, as long as it may wait."""
        self._threads.acquire()
        try:
            self._wait_for_other_processes()
        except BaseException:
            self._threads.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the next one write."""
        try:
            if self._is_writer and self._file is not None:
                self._is_writer = False
                with suppress(OSError):  # what is committed is done
                    _unlock(self._file, WRITER)
        finally:
            self._threads.release()

    def close(self) -> None:
        """Close the file, unless a thread writes now: then the end of the process does."""
        if self._threads.acquire(blocking=False):
            if self._file is not None:
                os.close(self._file)
                self._file = None
            self._threads.release()

    def _wait_for_other_processes(self) -> None:
        if self._file is None:
            self._file = _open_beside(self._database)
        if self._file is None:
            return
        until = monotonic() + MAX_WAIT_SECONDS
        if not _lock(self._file, NEXT, until):
            return
        try:  # only who is next waits for the writer, who therefore cannot come first again
            self._is_writer = _lock(self._file, WRITER, until)
        finally:
            _unlock(self._file, NEXT)


def _open_beside(database: Path) -> int | None:
    """Open the file of a database's queue; None if that is not possible."""
    path = database.with_name(f"{database.name}.writers")
    try:
        owner = database.stat()
        descriptor = os.open(path, FLAGS, OWNER_ONLY)
    except OSError:
        return None
    with suppress(OSError):  # made by root, it becomes the database's owner's
        made = os.fstat(descriptor)
        if made.st_uid == os.geteuid() != owner.st_uid and made.st_nlink == 1:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def _lock(file: int, place: int, until: float) -> bool:
    """Lock a byte of a file; return whether that was possible until then (monotonic seconds)."""
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            if monotonic() >= until:
                return False
            NEVER.wait(RETRY_SECONDS)  # what waits in the kernel cannot be ended after a time
        except OSError:  # a file system without locks
            return False
        else:
            return True


def _unlock(file: int, place: int) -> None:
    fcntl.lockf(file, fcntl.LOCK_UN, 1, place)
