"""Every revocation also stands in the journal, outside the database, before it is answered.

The end of a grant and the fact that the journal has yet to be told are written in one transaction;
the journal is told after it. So a crash in between leaves the journal behind, never the database,
and the next round tells it.
"""

from typing import Final

from consent_tokens.app_context import World
from consent_tokens.errors import JournalUnavailableError
from consent_tokens.revocation_journal import Position
from consent_tokens.store import checkpoints as marks
from consent_tokens.store.database import Transaction

IDENTITY_BYTES: Final = 16
AT_ONCE: Final = 500


def check(world: World) -> None:
    """Return if a revocation could be journalled. Raises JournalUnavailableError."""
    if world.store.has_journal:
        marked = world.store.read(lambda transaction: marks.find(transaction, marks.JOURNAL))
        known(world.journal.position() if marked else begin(world), marked)


def tell(world: World) -> None:
    """Add to the journal all ends that it has yet to be told. Raises JournalUnavailableError."""
    if not world.store.has_journal:
        return
    while waiting := world.store.read(lambda transaction: marks.laid_out(transaction, AT_ONCE)):
        world.journal.add(waiting)

        def deed(transaction: Transaction) -> None:
            for address, _ in waiting:
                marks.put_away(transaction, address)

        world.store.run(deed)


def make(world: World) -> None:
    """Begin a journal, unless there is one."""
    world.journal.make(world.chance.draw(IDENTITY_BYTES).hex())


def begin(world: World) -> Position:
    """Return the first mark of a database that has none: at the start of the journal."""
    make(world)
    mark = Position(world.journal.position().journal, 0)
    world.store.run(lambda transaction: marks.put(transaction, marks.JOURNAL, str(mark)))
    return mark


def known(end: Position, marked: str | None) -> int:
    """Return from which byte on the journal is news. Raises JournalUnavailableError."""
    mark = Position.parse(marked) if marked else Position(end.journal, 0)
    if mark.journal != end.journal:
        raise JournalUnavailableError("the journal is not the one that this database knows")
    if end.offset < mark.offset:
        raise JournalUnavailableError("the journal is shorter than it was")
    return mark.offset
