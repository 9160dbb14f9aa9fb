"""What of a campaign was accepted, kept in a SQLite file beside it; consistent after any stop.

A line is known by its content and by which copy of that content it is, not by its place: a file
that was mended, sorted or saved in another encoding is sent again without sending a line twice. A
batch is stored with its Idempotency-Key before it is sent. After a stop, a batch without an answer
is sent again as it was, while the service keeps the key (24 hours); after that its lines are
uncertain.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.json import decode as decode_json
from msgspec.json import encode as encode_json

from consent_tokens.errors import InvalidError
from consent_tokens.services.campaigns.campaign_file import Line

# the service keeps the answer to an Idempotency-Key for 24 hours; one less for clocks and retries
KEY_LIFETIME_SECONDS: Final = 23 * 3600
RUNNING: Final = "another run sends this campaign at the moment"
LOCK_SECONDS: Final = 1.0
SCHEMA: Final = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA user_version = 1;
CREATE TABLE IF NOT EXISTS lines (
    key BLOB, copy INTEGER, uncertain_since INTEGER, PRIMARY KEY (key, copy)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (id TEXT PRIMARY KEY, begun_at INTEGER, lines BLOB);
CREATE TEMP TABLE seen (key BLOB PRIMARY KEY, copies INTEGER) WITHOUT ROWID;
"""
COUNT_COPY: Final = """
INSERT INTO seen VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET copies = copies + 1 RETURNING copies
"""


def _open(path: Path) -> sqlite3.Connection:
    """Open and lock the file. Raises sqlite3.Error."""
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
    try:
        connection.executescript(SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class Message(Struct, frozen=True):
    """One line that is sent, with its key and which copy of it this is."""

    line: Line
    key: bytes
    copy: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that are sent in one call; `id` is its Idempotency-Key."""

    id: str
    messages: Sequence[Message]


class Progress:
    """The progress of one campaign. Used by one thread."""

    def __init__(self, path: Path) -> None:
        """Open the progress, or start it. Raises InvalidError if the file is another's."""
        try:
            self._connection = _open(path)
        except sqlite3.Error as error:
            is_locked = error.sqlite_errorname.startswith("SQLITE_BUSY")
            why = RUNNING if is_locked else f"it cannot be used ({error}); remove or rename it"
            raise InvalidError({str(path): [why]}) from error

    def identify(self, line: Line) -> Message:
        """Return a line with its key, and which copy of it this is in this run."""
        key = line.key
        (copy,) = self._connection.execute(COUNT_COPY, [key]).fetchone()
        return Message(line, key, copy)

    def state_of(self, message: Message) -> str | int | None:
        """Return "accepted", since when it is uncertain (seconds), or None if it is to be sent."""
        row = self._connection.execute(
            "SELECT uncertain_since FROM lines WHERE key = ? AND copy = ?",
            [message.key, message.copy],
        ).fetchone()
        if row is None:
            return None
        since: int | None = row[0]
        return "accepted" if since is None else since

    def begin(self, batch: Batch, now: int) -> None:
        """Store a batch that is about to be sent."""
        self._connection.execute(
            "INSERT INTO batches VALUES (?, ?, ?)", [batch.id, now, encode_json(batch.messages)]
        )

    def complete(self, batch: Batch, accepted: Iterable[Message]) -> None:
        """Store which messages of a batch were accepted; the others may be sent again."""
        self._store(batch.id, [(each.key, each.copy, None) for each in accepted])

    def pending(self, now: int) -> list[Batch]:
        """Return the batches without an answer; those whose key is forgotten become uncertain."""
        rows = self._connection.execute("SELECT id, begun_at, lines FROM batches").fetchall()
        batches: list[Batch] = []
        for batch_id, begun_at, stored in rows:
            batch = Batch(batch_id, decode_json(stored, type=list[Message]))
            if now - begun_at < KEY_LIFETIME_SECONDS:
                batches.append(batch)
            else:
                self._store(batch_id, [(each.key, each.copy, begun_at) for each in batch.messages])
        return batches

    def _store(self, batch_id: str, rows: Sequence[tuple[bytes, int, int | None]]) -> None:
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR IGNORE INTO lines VALUES (?, ?, ?)", rows)
            self._connection.execute("DELETE FROM batches WHERE id = ?", [batch_id])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
