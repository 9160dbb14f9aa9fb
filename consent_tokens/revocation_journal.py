"""The revocation journal: an append-only file, outside the database, of grants that have ended.

    consent-tokens revocations 1 <id of this journal, hex>
    <partition> <id> <seconds of UTC> <CRC-32 of these three, hex>

A database that is restored from a backup lacks the revocations since then; they are replayed from
the journal. It contains row keys of grants, which identify nobody by themselves.
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
    """How far a journal has been read: its id, and an offset in bytes."""

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
    """A journal file. Several processes may append to it at the same time."""

    path: Path

    def create(self, identity: str) -> None:
        """Create the journal unless it exists. Raises JournalUnavailableError."""
        try:
            self.path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            temporary = self.path.with_name(f"{self.path.name}.{identity}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{HEADER}{identity}\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(temporary, self.path)  # atomic: the file appears with its header
            temporary.unlink()
            self._sync_folder()
        except OSError as error:
            raise self._unavailable(error) from error

    def position(self) -> JournalPosition:
        """Return the end of the journal.

        Opens the file for writing: raises JournalUnavailableError also if it is only readable.
        """
        try:
            with self.path.open("r+b", buffering=0) as file:
                header = file.read(MAX_HEADER_BYTES).partition(b"\n")[0].decode("ascii", "replace")
                size = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise self._unavailable(error) from error
        if not header.startswith(HEADER):
            raise JournalUnavailableError(f"{self.path} is not a revocation journal")
        return JournalPosition(header.removeprefix(HEADER), size)

    def append(self, ended: Sequence[tuple[RowKey, datetime]]) -> None:
        """Append ended grants, and return once they are on disk. Raises JournalUnavailableError."""
        lines = "".join(_line(key, at) for key, at in ended).encode("ascii")
        try:
            with self.path.open("r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 1))
                if file.read(1) not in {b"\n", b""}:
                    lines = b"\n" + lines  # a crash cut the last line short: start a new one
                is_whole = file.write(lines) == len(lines)
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unavailable(error) from error
        if not is_whole:
            raise JournalUnavailableError(f"the journal {self.path}: the disk is full")

    def read(self, since: int = 0) -> Iterable[RowKey]:
        """Return the ended grants from offset `since` on. Raises JournalUnavailableError.

        Skips a line that was cut short by a crash: its revocation was not confirmed to anybody, and
        the journal's outbox in the database still has it.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(since)
                keys = [_parse_line(line) for line in file]
        except OSError as error:
            raise self._unavailable(error) from error
        return [key for key in keys if key]

    def _sync_folder(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _unavailable(self, error: OSError) -> JournalUnavailableError:
        return JournalUnavailableError(f"the journal {self.path}: {error.strerror or error}")


def _line(key: RowKey, at: datetime) -> str:
    entry = f"{key.partition} {key.id} {int(at.astimezone(UTC).timestamp())}"
    return f"{entry} {crc32(entry.encode('ascii')):08x}\n"


def _parse_line(line: bytes) -> RowKey | None:
    entry, _, checksum = line.rstrip(b"\n").rpartition(b" ")
    parts = entry.split(b" ")
    if len(parts) != 3 or checksum != b"%08x" % crc32(entry):  # noqa: PLR2004 - partition, id, time
        return None
    return RowKey(int(parts[0]), int(parts[1]))
