"""Transactional outbox of the revocation journal: copy each revocation to a file before confirming.

The revocation and its pending journal entry are stored in one transaction; the entry is appended
to the journal after the commit, and only then is the revocation confirmed. After a crash in between
the entry is still pending and is appended by the next flush.
"""

from typing import Final

from consent_tokens.errors import JournalUnavailableError
from consent_tokens.revocation_journal import JournalPosition
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints
from consent_tokens.store.database import Transaction

JOURNAL_ID_BYTES: Final = 16
BATCH_SIZE: Final = 500  # journal entries per append


def ensure_writable(runtime: Runtime) -> None:
    """Check that a revocation could be journalled now. Raises JournalUnavailableError."""
    checkpoint = runtime.database.read(
        lambda transaction: checkpoints.find(transaction, checkpoints.JOURNAL)
    )
    position = runtime.revocation_journal.position() if checkpoint else start_journal(runtime)
    unread_from(position, checkpoint)


def flush_journal(runtime: Runtime) -> None:
    """Append all pending entries to the journal. Raises JournalUnavailableError."""
    while pending := runtime.database.read(
        lambda transaction: checkpoints.pending_journal_entries(transaction, BATCH_SIZE)
    ):
        runtime.revocation_journal.append(pending)

        def work(transaction: Transaction) -> None:
            for key, _ in pending:
                checkpoints.delete_journal_entry(transaction, key)

        runtime.database.run(work)


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


def unread_from(end: JournalPosition, checkpoint: str | None) -> int:
    """Return the offset, in bytes, from which the journal has not been compared with the database.

    `checkpoint` is the position up to which it has been, as stored. Raises JournalUnavailableError
    if the journal is another one, or shorter than the checkpoint.
    """
    start = JournalPosition.parse(checkpoint) if checkpoint else JournalPosition(end.journal_id, 0)
    if start.journal_id != end.journal_id:
        raise JournalUnavailableError("the journal is not the one that this database knows")
    if end.offset < start.offset:
        raise JournalUnavailableError("the journal is shorter than it was")
    return start.offset
