"""Every revocation also stands in the journal, outside the database, before it is answered.

The end of a grant and the fact that the journal has yet to be told are written in one transaction;
the journal is told after it. So a crash in between leaves the journal behind, never the database,
and the next round tells it.
"""

from typing import Final

from consent_tokens.errors import JournalUnavailableError
from consent_tokens.revocation_journal import JournalPosition
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints
from consent_tokens.store.database import Transaction

JOURNAL_ID_BYTES: Final = 16
BATCH_SIZE: Final = 500


def ensure_writable(runtime: Runtime) -> None:
    """Return if a revocation could be journalled. Raises JournalUnavailableError."""
    marked = runtime.database.read(
        lambda transaction: checkpoints.find(transaction, checkpoints.JOURNAL)
    )
    position = runtime.revocation_journal.position() if marked else start_journal(runtime)
    unread_from(position, marked)


def flush_journal(runtime: Runtime) -> None:
    """Add to the journal all ends that it has yet to be told. Raises JournalUnavailableError."""
    while waiting := runtime.database.read(
        lambda transaction: checkpoints.pending_journal_entries(transaction, BATCH_SIZE)
    ):
        runtime.revocation_journal.append(waiting)

        def work(transaction: Transaction) -> None:
            for key, _ in waiting:
                checkpoints.delete_journal_entry(transaction, key)

        runtime.database.run(work)


def create_journal(runtime: Runtime) -> None:
    """Begin a journal, unless there is one."""
    runtime.revocation_journal.create(runtime.random.token_bytes(JOURNAL_ID_BYTES).hex())


def start_journal(runtime: Runtime) -> JournalPosition:
    """Return the first mark of a database that has none: at the start of the journal."""
    create_journal(runtime)
    mark = JournalPosition(runtime.revocation_journal.position().journal_id, 0)
    runtime.database.run(
        lambda transaction: checkpoints.save(transaction, checkpoints.JOURNAL, str(mark))
    )
    return mark


def unread_from(end: JournalPosition, marked: str | None) -> int:
    """Return from which byte on the journal is news. Raises JournalUnavailableError."""
    mark = JournalPosition.parse(marked) if marked else JournalPosition(end.journal_id, 0)
    if mark.journal_id != end.journal_id:
        raise JournalUnavailableError("the journal is not the one that this database knows")
    if end.offset < mark.offset:
        raise JournalUnavailableError("the journal is shorter than it was")
    return mark.offset
