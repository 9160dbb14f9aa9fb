"""The keyring of a running process: reread when its folder changes, or a new key comes into use."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from consent_tokens.clock import Clock
from consent_tokens.crypto.key_files import KeyKind, TokenBytes, key_files
from consent_tokens.crypto.keyring import Keyring
from consent_tokens.errors import KeyUnavailableError
from consent_tokens.folder_watch import FolderWatch

log = structlog.get_logger()

FolderState = frozenset[tuple[str, int, int, bool]]  # path, inode, ctime, whether it is in use


@dataclass(slots=True)
class KeySource:
    """The current keyring, from a folder that is watched; without a folder it is fixed.

    If the folder cannot be read again, the keys stay as they were and `fault` says why: the service
    is not ready then (`integrity.key_set`), because a key may have been withdrawn.
    """

    keyring: Keyring  # as last read
    folder: Path | None = None
    _watch: FolderWatch[FolderState] | None = None

    @classmethod
    def open(cls, folder: Path, token_bytes: TokenBytes, clock: Clock) -> Self:
        """Load the keys, or create them on first start. Raises KeyUnavailableError."""
        source = cls(Keyring.load_or_create(folder, token_bytes, clock.now()), folder)
        source._watch = FolderWatch(
            read_state=lambda: _state_of(folder, clock),
            reread=lambda: source._take(Keyring.load(folder, clock.now()), folder),
            monotonic=clock.monotonic,
            errors=(KeyUnavailableError, OSError, ValueError),
            on_fault=lambda fault: log.critical("keys_unreadable", fault=fault),
        )
        return source

    @property
    def fault(self) -> str:
        """Return why the keys could not be read again; empty if they were."""
        return self._watch.fault if self._watch else ""

    def current(self) -> Keyring:
        """Return the keyring; look at the folder first if that was not done for a while."""
        if self._watch:
            self._watch.look_if_due()
        return self.keyring

    def latest(self) -> Keyring:
        """Look at the folder now, and return the keyring.

        For a value under an unknown key: another process may have begun to use a new one.
        """
        if self._watch:
            self._watch.look()
        return self.keyring

    def _take(self, keyring: Keyring, folder: Path) -> None:
        """Use these keys. Raises KeyUnavailableError if they are of another installation."""
        before = self.keyring
        if (keyring.fingerprint, keyring.journal) != (before.fingerprint, before.journal):
            raise KeyUnavailableError(f"{folder} holds the keys of another installation")
        if keyring.names != before.names:
            log.info("keys_reread", count=len(keyring.names))
        self.keyring = keyring


def _state_of(folder: Path, clock: Clock) -> FolderState:
    """Return what tells whether the files have changed or another is in use. Raises OSError."""
    now = clock.now()
    states = []
    for file in (each for kind in KeyKind for each in key_files(folder, kind)):
        found = file.path.stat()
        is_due = file.starts_at <= now
        states.append((str(file.path), found.st_ino, found.st_ctime_ns, is_due))
    return frozenset(states)
