"""Transactional outbox of the revocation journal: copy each act to a file before confirming it.

What a consumer takes back, and its entry, are stored in one transaction; the entry is appended to
the journal after the commit, and only then is the act confirmed. After a crash in between the entry
is still pending and is appended by the next flush. An entry stays in the outbox until a checkpoint
is past it, so that a database can tell which entries it has: a restored backup lacks the newest.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from consent_tokens.crypto.keyed_hashes import journal_tag
from consent_tokens.errors import JournalUnavailableError, RevocationsBehindError
from consent_tokens.evidence.journal import Change, EntryKind, GrantRevoked, JournalEntry
from consent_tokens.revocation_journal import JournalPosition
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints, journal_entries, recipients
from consent_tokens.store.database import Transaction
from consent_tokens.store.journal_entries import StoredEntry

JOURNAL_ID_BYTES: Final = 16
BATCH_SIZE: Final = 500  # journal entries per append


def ensure_writable(runtime: Runtime) -> None:
    """Check that an act could be journalled now. Raises JournalUnavailableError."""
    checkpoint = _find_checkpoint(runtime)
    position = runtime.revocation_journal.position() if checkpoint else start_journal(runtime)
    unread_from(runtime, position, checkpoint)


def enqueue_entry(
    runtime: Runtime, transaction: Transaction, kind: EntryKind, change: Change
) -> None:
    """Queue an entry for the journal, in the transaction of the act and after its own changes.

    The rows that the act changes are locked then, so that entries of one subject keep the order of
    their acts. The caller flushes the journal after the commit.
    """
    entry_id = runtime.new_key(0).id
    entry = JournalEntry(entry_id, kind, runtime.clock.now(), change)
    journal_entries.add(transaction, StoredEntry(entry_id, entry.to_text()))


def tag_of(runtime: Runtime, transaction: Transaction, partition: int) -> str | None:
    """Return the name of a recipient in the journal; None if no number leads to the partition."""
    blind_index = recipients.blind_index_of(transaction, partition)
    return journal_tag(blind_index, runtime.keyring.journal) if blind_index else None


def flush_journal(runtime: Runtime) -> None:
    """Append all pending entries to the journal. Raises JournalUnavailableError.

    The journal is locked from reading the entries to recording that they are written: two processes
    cannot append them in another order than that of their acts.
    """
    while runtime.database.read(lambda transaction: journal_entries.pending(transaction, 1)):
        if _find_checkpoint(runtime) is None:
            start_journal(runtime)
        with runtime.revocation_journal.lock() as journal:
            batch = runtime.database.read(
                lambda transaction: journal_entries.pending(transaction, BATCH_SIZE)
            )
            if batch:
                end = journal.append([entry.text for entry in batch])
                _record_written(runtime, batch, end)


def compact_journal(
    runtime: Runtime, retention: timedelta, *, slack: timedelta = timedelta()
) -> int:
    """Delete the journal's entries that are older than every backup that may be restored.

    Deletes nothing while the oldest one is past `retention` by less than `slack`, and nothing that
    this database has not been compared with. Returns how many bytes went. Raises
    JournalUnavailableError.
    """
    checkpoint = _find_checkpoint(runtime)
    end = runtime.revocation_journal.position()
    compared = unread_from(runtime, end, checkpoint)
    limit = runtime.clock.now() - retention
    return runtime.revocation_journal.delete_before(limit, up_to=compared, slack=slack)


def create_journal(runtime: Runtime) -> None:
    """Create the journal with a random id, unless it exists. Raises JournalUnavailableError."""
    runtime.revocation_journal.create(runtime.random.token_bytes(JOURNAL_ID_BYTES).hex())


def start_journal(runtime: Runtime) -> JournalPosition:
    """Create the journal if needed, and save and return its start as the first checkpoint.

    Raises JournalUnavailableError.
    """
    create_journal(runtime)
    start = JournalPosition(runtime.revocation_journal.position().journal_id, 0)
    runtime.database.run(
        lambda transaction: checkpoints.save(transaction, checkpoints.JOURNAL, str(start))
    )
    return start


def unread_from(runtime: Runtime, end: JournalPosition, checkpoint: str | None) -> int:
    """Return the offset from which the journal has not been compared with the database.

    `checkpoint` is the position up to which it has been, as stored; 0 is the start of a journal.
    Raises JournalUnavailableError if the journal is another one, is shorter than the checkpoint,
    or begins after it.
    """
    start = JournalPosition.parse(checkpoint) if checkpoint else JournalPosition(end.journal_id, 0)
    if start.journal_id != end.journal_id:
        raise JournalUnavailableError("the journal is not the one that this database knows")
    if end.offset < start.offset:
        raise JournalUnavailableError("the journal is shorter than it was")
    if start.offset < runtime.revocation_journal.deleted_before():
        raise JournalUnavailableError(
            "the database is older than the oldest entry of the journal: it lacks acts that the "
            "journal has forgotten (CONSENT_BACKUP_RETENTION_DAYS)"
        )
    return start.offset


def ensure_complete(runtime: Runtime) -> JournalPosition:
    """Return the end of the journal, up to which this database has every entry.

    Raises RevocationsBehindError if it lacks one, JournalUnavailableError.
    """
    while True:
        checkpoint = _find_checkpoint(runtime) or str(start_journal(runtime))
        end = runtime.revocation_journal.position()
        entries = runtime.revocation_journal.read(unread_from(runtime, end, checkpoint))
        lacking = count_lacking(runtime, entries)
        if not lacking:
            return end
        if _find_checkpoint(runtime) == checkpoint:  # else other entries were deleted meanwhile
            raise RevocationsBehindError(
                f"this database lacks {lacking} entries of the revocation journal: it is an old "
                "copy. Run `consent-tokens journal replay`"
            )


def count_lacking(runtime: Runtime, entries: Sequence[JournalEntry]) -> int:
    """Return how many entries this database has not; of version 1, how many it contradicts."""
    ids = [entry.id for entry in entries if entry.id is not None]
    revoked = [
        entry.change.key
        for entry in entries
        if entry.id is None and isinstance(entry.change, GrantRevoked)
    ]
    return runtime.database.read(
        lambda transaction: (
            len(journal_entries.unknown_among(transaction, ids))
            + len(journal_entries.live_grants_among(transaction, revoked))
        )
    )


def advance_checkpoint(transaction: Transaction, seen: JournalPosition) -> None:
    """Save how far journal and database agree, unless another process has come further."""
    stored = checkpoints.lock(transaction, checkpoints.JOURNAL)
    known = JournalPosition.parse(stored) if stored else None
    if known and known.journal_id == seen.journal_id and known.offset >= seen.offset:
        return
    checkpoints.save(transaction, checkpoints.JOURNAL, str(seen))
    journal_entries.delete_up_to(transaction, seen.offset)


def _record_written(runtime: Runtime, batch: Sequence[StoredEntry], end: int) -> None:
    ids = [entry.id for entry in batch]
    runtime.database.run(lambda transaction: journal_entries.record_position(transaction, ids, end))


def _find_checkpoint(runtime: Runtime) -> str | None:
    return runtime.database.read(
        lambda transaction: checkpoints.find(transaction, checkpoints.JOURNAL)
    )
