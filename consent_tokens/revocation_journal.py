"""The revocation journal: what has ended, in a file outside the database, only ever added to.

    consent-tokens revocations 1 <id of this journal, hex>
    <home> <number> <seconds of UTC> <CRC-32 of these three, hex>

A database that is put back from an old copy knows nothing of revocations since then; the journal
does. It holds addresses of grants, which lead to nobody without the handle key.
"""

import fcntl
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zlib import crc32

from consent_tokens.errors import JournalUnavailableError
from consent_tokens.row_key import RowKey

HEADER: Final = "consent-tokens revocations 1 "
OWNER_ONLY: Final = 0o600
FOLDER_MODE: Final = 0o700
MAX_HEADER_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class JournalPosition:
    """How far a journal has been read: which one, and up to which byte."""

    journal_id: str
    offset: int

    def __str__(self) -> str:
        return f"{self.journal_id} {self.offset}"

    @classmethod
    def parse(cls, text: str) -> "JournalPosition":
        """Return the position that `str` wrote."""
        journal, _, offset = text.partition(" ")
        return cls(journal, int(offset))


@dataclass(frozen=True, slots=True)
class RevocationJournal:
    """A file. Several processes may add to it at once."""

    path: Path

    def create(self, identity: str) -> None:
        """Begin a journal, unless there is one. Raises JournalUnavailableError."""
        try:
            self.path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            beside = self.path.with_name(f"{self.path.name}.{identity}")
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{HEADER}{identity}\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(beside, self.path)  # all of it at once, or not at all
            beside.unlink()
            self._sync_folder()
        except OSError as error:
            raise self._unavailable(error) from error

    def position(self) -> JournalPosition:
        """Return where the journal ends. Raises JournalUnavailableError if it cannot be added to.

        Opens the file for writing: what cannot be written is not there.
        """
        try:
            with self.path.open("r+b", buffering=0) as file:
                header = file.read(MAX_HEADER_BYTES).partition(b"\n")[0].decode("ascii", "replace")
                size = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise self._unavailable(error) from error
        if not header.startswith(HEADER):
            raise JournalUnavailableError(f"{self.path} is no revocation journal")
        return JournalPosition(header.removeprefix(HEADER), size)

    def append(self, ended: Sequence[tuple[RowKey, datetime]]) -> None:
        """Add what has ended, and return once it is on disk. Raises JournalUnavailableError."""
        lines = "".join(_line(key, at) for key, at in ended).encode("ascii")
        try:
            with self.path.open("r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 1))
                if file.read(1) not in {b"\n", b""}:
                    lines = b"\n" + lines  # somebody was stopped half-way: begin a line of our own
                is_whole = file.write(lines) == len(lines)
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unavailable(error) from error
        if not is_whole:
            raise JournalUnavailableError(f"the journal {self.path}: the disk is full")

    def read(self, since: int = 0) -> Iterable[RowKey]:
        """Return what has ended, from a byte on. Raises JournalUnavailableError.

        A line that was cut short by a crash is passed over: its revocation was never answered, and
        is added again from the database.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(since)
                found = [_parsed(line) for line in file]
        except OSError as error:
            raise self._unavailable(error) from error
        return [key for key in found if key]

    def _sync_folder(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _unavailable(self, error: OSError) -> JournalUnavailableError:
        return JournalUnavailableError(f"the journal {self.path}: {error.strerror or error}")


def _line(key: RowKey, at: datetime) -> str:
    said = f"{key.partition} {key.id} {int(at.astimezone(UTC).timestamp())}"
    return f"{said} {crc32(said.encode('ascii')):08x}\n"


def _parsed(line: bytes) -> RowKey | None:
    said, _, check = line.rstrip(b"\n").rpartition(b" ")
    parts = said.split(b" ")
    if len(parts) != 3 or check != b"%08x" % crc32(said):  # noqa: PLR2004 - home, number, at
        return None
    return RowKey(int(parts[0]), int(parts[1]))
