"""The keyring of a running process: reread when its folder changes, or a new key comes into use."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import structlog

from consent_tokens.clock import Clock
from consent_tokens.crypto.key_files import KeyKind, TokenBytes, key_files
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.errors import KeyUnavailableError

log = structlog.get_logger()

CHECK_SECONDS: Final = 5.0  # between looks at the folder: a few system calls

FolderState = frozenset[tuple[str, int, int, bool]]  # path, inode, ctime, whether it is in use


@dataclass(slots=True)
class KeySource:
    """The current keyring, from a folder that is watched; without a folder it is fixed.

    If the folder cannot be read again, the keys stay as they were and `fault` says why: the service
    is not ready then (`integrity.key_set`), because a key may have been withdrawn.
    """

    keyring: Keyring  # as last read
    folder: Path | None = None
    clock: Clock | None = None
    fault: str = ""
    _seen: FolderState = frozenset()
    _checked_at: float = float("-inf")  # monotonic seconds
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, folder: Path, token_bytes: TokenBytes, clock: Clock) -> Self:
        """Load the keys, or create them on first start. Raises KeyUnavailableError."""
        keyring = Keyring.load_or_create(folder, token_bytes, clock.now())
        return cls(keyring, folder, clock)

    def current(self) -> Keyring:
        """Return the keyring; look at the folder first if that was not done for a while."""
        if (
            self.clock is not None
            and self.clock.monotonic() - self._checked_at >= CHECK_SECONDS
            and self._lock.acquire(blocking=False)  # one thread looks, the others go on
        ):
            try:
                self._check(self.clock)
            finally:
                self._lock.release()
        return self.keyring

    def latest(self) -> Keyring:
        """Look at the folder now, and return the keyring.

        For a value under an unknown key: another process may have begun to use a new one.
        """
        if self.clock is not None:
            with self._lock:
                self._check(self.clock)
        return self.keyring

    def _check(self, clock: Clock) -> None:
        if self.folder is None:
            return
        self._checked_at = clock.monotonic()
        try:
            state = _state_of(self.folder, clock)
            if state == self._seen:
                return
            keyring = Keyring.load(self.folder, clock.now())
        except (KeyUnavailableError, OSError, ValueError) as error:
            self._fail(str(error))
            return
        if (keyring.fingerprint, keyring.journal) != (
            self.keyring.fingerprint,
            self.keyring.journal,
        ):
            self._fail(f"{self.folder} holds the keys of another installation")
            return
        if keyring.names != self.keyring.names:
            log.info("keys_reread", count=len(keyring.names))
        self.keyring, self._seen, self.fault = keyring, state, ""

    def _fail(self, fault: str) -> None:
        if fault != self.fault:
            log.critical("keys_unreadable", fault=fault)
        self.fault, self._seen = fault, frozenset()


def _state_of(folder: Path, clock: Clock) -> FolderState:
    """Return what tells whether the files have changed or another is in use. Raises OSError."""
    now = clock.now()
    states = []
    for file in (each for kind in KeyKind for each in key_files(folder, kind)):
        found = file.path.stat()
        is_due = file.starts_at <= now
        states.append((str(file.path), found.st_ino, found.st_ctime_ns, is_due))
    return frozenset(states)
