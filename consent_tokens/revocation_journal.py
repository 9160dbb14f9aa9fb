"""The revocation journal: an append-only file, outside the database, of what was taken back.

    consent-tokens revocations 2 <id of this journal> <id of the journal key> <first>
    <entry> <CRC-32 of the entry, hex>

A database that is restored from a backup lacks what was taken back since then; it is replayed from
the journal. The entries (`evidence.journal`) name rows by their keys, and recipients by keyed
hashes, which identify nobody by themselves.

Positions in the journal are offsets that never change: `first` is the offset of the first line
that is left, and grows when old lines are deleted. Lines are deleted by writing a new file and
renaming it, so whoever has locked the file checks that it is still the one at the path. Version 1
had no key and no `first`, and its lines were `<partition> <id> <seconds>`; it is read as it is, and
becomes version 2 when it is first appended to.
"""

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final
from zlib import crc32

from consent_tokens.errors import JournalUnavailableError
from consent_tokens.evidence.journal import JournalEntry

MAGIC: Final = "consent-tokens revocations"
OWNER_ONLY: Final = 0o600
FOLDER_MODE: Final = 0o700
MAX_HEADER_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class JournalPosition:
    """How far a journal has been read: its id, and an offset."""

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
class JournalHeader:
    """The first line of a journal. `key_id` is None in version 1."""

    journal_id: str
    key_id: str | None
    first: int  # offset of the first line after the header
    length: int  # bytes of the header itself

    @property
    def is_first_line_left(self) -> bool:
        """Whether no line was ever deleted: the first offset is the length of a header."""
        version_1 = f"{MAGIC} 1 {self.journal_id}\n"
        return self.first in {len(version_1), len(self.to_bytes())}

    def to_bytes(self) -> bytes:
        """Return the line, as version 2."""
        return f"{MAGIC} 2 {self.journal_id} {self.key_id} {self.first:020d}\n".encode("ascii")

    @classmethod
    def parse(cls, line: bytes) -> "JournalHeader | None":
        """Return the header in a line; None if it is not that of a journal."""
        parts = line.decode("ascii", "replace").rstrip("\n").split(" ")
        length = len(line)
        match parts:
            case ["consent-tokens", "revocations", "1", journal_id] if line.endswith(b"\n"):
                return cls(journal_id, None, length, length)
            case ["consent-tokens", "revocations", "2", journal_id, key_id, first] if (
                line.endswith(b"\n") and first.isdigit()
            ):
                return cls(journal_id, key_id, int(first), length)
        return None


@dataclass(frozen=True, slots=True)
class RevocationJournal:
    """A journal file. Several processes may append to it at the same time."""

    path: Path
    key_id: str  # of the journal key, under which its tags are computed

    def create(self, identity: str) -> None:
        """Create the journal unless it exists. Raises JournalUnavailableError."""
        header = JournalHeader(identity, self.key_id, 0, 0)
        header = replace(header, first=len(header.to_bytes()))
        with self._faults():
            self.path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            temporary = self.path.with_name(f"{self.path.name}.{identity}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
            with os.fdopen(descriptor, "wb") as file:
                file.write(header.to_bytes())
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(temporary, self.path)  # atomic: the file appears with its header
            temporary.unlink()
            self._sync_folder()

    def adopt_key(self) -> None:
        """Put the current journal key into the header, where another one was lost."""
        with self._faults(), self._locked_file() as file:
            header = self._header(file, any_key=True)
            if header.key_id != self.key_id:
                self._replace(file, replace(header, key_id=self.key_id), header.length)

    def position(self) -> JournalPosition:
        """Return the end of the journal.

        Opens the file for writing: raises JournalUnavailableError also if it is only readable, or
        was written under another journal key.
        """
        with self._faults(), self.path.open("r+b", buffering=0) as file:
            header = self._header(file)
            size = os.fstat(file.fileno()).st_size
        return JournalPosition(header.journal_id, header.first + size - header.length)

    def deleted_before(self) -> int:
        """Return the offset before which lines were deleted; 0 if none ever was.

        Raises JournalUnavailableError.
        """
        with self._faults(), self.path.open("rb", buffering=0) as file:
            header = self._header(file)
        return 0 if header.is_first_line_left else header.first

    def append(self, entries: Sequence[str]) -> None:
        """Append entries, and return once they are on disk. Raises JournalUnavailableError."""
        with self.lock() as journal:
            journal.append(entries)

    @contextmanager
    def lock(self) -> Iterator["LockedJournal"]:
        """Lock the journal against other appenders, in its newest version.

        Raises JournalUnavailableError.
        """
        with self._faults():
            while True:
                with self._locked_file() as file:
                    header = self._header(file)
                    if header.key_id is not None:
                        yield LockedJournal(self, file, header)
                        return
                    self._replace(file, replace(header, key_id=self.key_id), header.length)

    def read(self, since: int = 0) -> list[JournalEntry]:
        """Return the entries from offset `since` on. Raises JournalUnavailableError.

        Skips a line that was cut short by a crash: its act was not confirmed to anybody, and the
        journal's outbox in the database still has it.
        """
        with self._faults(), self.path.open("rb") as file:
            header = self._header(file)
            file.seek(header.length + max(0, since - header.first))
            parsed = [self._parse_line(line) for line in file]
        return [entry for entry in parsed if entry]

    def ids_before(self, offset: int, ids: Collection[int]) -> set[int]:
        """Return those of the entries' ids that stand before `offset` (too).

        Raises JournalUnavailableError.
        """
        wanted = {str(each).encode("ascii"): each for each in ids}
        found: set[int] = set()
        if not wanted:
            return found
        with self._faults(), self.path.open("rb") as file:
            header = self._header(file)
            file.seek(header.length)
            left = offset - header.first
            while left > 0 and (line := file.readline()):
                left -= len(line)
                found |= {wanted[each] for each in line.split(b" ")[1:2] if each in wanted}
        return found

    def delete_before(self, limit: datetime, *, up_to: int, slack: timedelta = timedelta()) -> int:
        """Delete the oldest lines: all before the first one of `limit` or later.

        Deletes nothing unless the first line is older than `limit` by `slack`, and no line at
        offset `up_to` or after it. Returns how many bytes went. After a crash the old file or the
        new one is there, whole. Raises JournalUnavailableError.
        """
        with self._faults(), self.lock() as journal:
            header = journal.header
            if not self._bytes_before(journal.file, limit - slack):
                return 0
            cut = min(header.first + self._bytes_before(journal.file, limit), up_to)
            if cut <= header.first:
                return 0
            start = header.length + cut - header.first
            self._replace(journal.file, replace(header, first=cut), start)
            return cut - header.first

    def _bytes_before(self, file: FileIO, limit: datetime) -> int:
        """Return the length of the lines before the first whole line of `limit` or later."""
        total = 0
        with open(os.dup(file.fileno()), "rb") as lines:  # noqa: PTH123 - a descriptor has no path
            lines.seek(0)
            lines.readline()
            for line in lines:
                entry = self._parse_line(line)
                if entry and entry.at >= limit:
                    break
                total += len(line)
        return total

    def _parse_line(self, line: bytes) -> JournalEntry | None:
        text, _, checksum = line.rstrip(b"\n").rpartition(b" ")
        if checksum != b"%08x" % crc32(text):
            return None
        try:
            return JournalEntry.parse(text.decode("ascii"))
        except (ValueError, KeyError) as error:
            raise JournalUnavailableError(
                f"the journal {self.path} has an entry of a newer version of this program"
            ) from error

    @contextmanager
    def _locked_file(self) -> Iterator[FileIO]:
        """Open the file and lock it; again if it was replaced in between."""
        while True:
            with self.path.open("r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_ino == self.path.stat().st_ino:
                    yield file
                    return

    def _header(self, file: BinaryIO | FileIO, *, any_key: bool = False) -> JournalHeader:
        file.seek(0)
        line, newline, _ = file.read(MAX_HEADER_BYTES).partition(b"\n")
        header = JournalHeader.parse(line + newline)
        if header is None:
            raise JournalUnavailableError(f"{self.path} is not a revocation journal")
        if header.key_id not in {None, self.key_id} and not any_key:
            raise JournalUnavailableError(f"{self.path} was written under another journal key")
        return header

    def _replace(self, file: FileIO, header: JournalHeader, start: int) -> None:
        """Replace the locked file by one with another header and the lines from byte `start` on."""
        temporary = self.path.with_name(f"{self.path.name}.new")
        temporary.unlink(missing_ok=True)  # of a crash; the lock is held, so nobody writes it
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as new:
            new.write(header.to_bytes())
            file.seek(start)
            shutil.copyfileobj(file, new)
            new.flush()
            os.fsync(new.fileno())
        temporary.rename(self.path)
        self._sync_folder()

    def _sync_folder(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Raise JournalUnavailableError for what the file system raises."""
        try:
            yield
        except OSError as error:
            raise JournalUnavailableError(
                f"the journal {self.path}: {error.strerror or error}"
            ) from error


@dataclass(frozen=True, slots=True)
class LockedJournal:
    """A journal that nobody else appends to, or shortens, at the moment."""

    journal: RevocationJournal
    file: FileIO
    header: JournalHeader

    def append(self, entries: Sequence[str]) -> int:
        """Append entries; return the end of the journal once they are on disk.

        Raises JournalUnavailableError, also by the lock, for what the file system raises.
        """
        lines = "".join(map(_line, entries)).encode("ascii")
        size = self.file.seek(0, os.SEEK_END)
        self.file.seek(max(0, size - 1))
        if self.file.read(1) not in {b"\n", b""}:
            lines = b"\n" + lines  # a crash cut the last line short: start a new one
        is_whole = self.file.write(lines) == len(lines)
        os.fsync(self.file.fileno())
        if not is_whole:
            raise JournalUnavailableError(f"the journal {self.journal.path}: the disk is full")
        return self.header.first + size + len(lines) - self.header.length


def _line(entry: str) -> str:
    return f"{entry} {crc32(entry.encode('ascii')):08x}\n"
