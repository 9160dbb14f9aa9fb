"""Every revocation also stands in the journal, outside the database, before it is answered.

The end of a grant and the fact that the journal has yet to be told are written in one transaction;
the journal is told after it. So a crash in between leaves the journal behind, never the database,
and the next round tells it.
"""

from typing import Final

from consent_tokens.app_context import AppContext
from consent_tokens.errors import JournalUnavailableError
from consent_tokens.revocation_journal import JournalPosition
from consent_tokens.store import checkpoints as marks
from consent_tokens.store.database import Transaction

JOURNAL_ID_BYTES: Final = 16
BATCH_SIZE: Final = 500


def ensure_writable(world: AppContext) -> None:
    """Return if a revocation could be journalled. Raises JournalUnavailableError."""
    if world.database.has_journal:
        marked = world.database.read(lambda transaction: marks.find(transaction, marks.JOURNAL))
        unread_from(world.revocation_journal.position() if marked else start_journal(world), marked)


def flush_journal(world: AppContext) -> None:
    """Add to the journal all ends that it has yet to be told. Raises JournalUnavailableError."""
    if not world.database.has_journal:
        return
    while waiting := world.database.read(
        lambda transaction: marks.pending_journal_entries(transaction, BATCH_SIZE)
    ):
        world.revocation_journal.append(waiting)

        def deed(transaction: Transaction) -> None:
            for address, _ in waiting:
                marks.delete_journal_entry(transaction, address)

        world.database.run(deed)


def create_journal(world: AppContext) -> None:
    """Begin a journal, unless there is one."""
    world.revocation_journal.create(world.random.token_bytes(JOURNAL_ID_BYTES).hex())


def start_journal(world: AppContext) -> JournalPosition:
    """Return the first mark of a database that has none: at the start of the journal."""
    create_journal(world)
    mark = JournalPosition(world.revocation_journal.position().journal_id, 0)
    world.database.run(lambda transaction: marks.save(transaction, marks.JOURNAL, str(mark)))
    return mark


def unread_from(end: JournalPosition, marked: str | None) -> int:
    """Return from which byte on the journal is news. Raises JournalUnavailableError."""
    mark = JournalPosition.parse(marked) if marked else JournalPosition(end.journal_id, 0)
    if mark.journal_id != end.journal_id:
        raise JournalUnavailableError("the journal is not the one that this database knows")
    if end.offset < mark.offset:
        raise JournalUnavailableError("the journal is shorter than it was")
    return mark.offset
