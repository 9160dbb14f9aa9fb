"""Apply the revocation journal to a database that was restored from an old backup."""

from itertools import islice
from typing import Final

from consent_tokens.app_context import World
from consent_tokens.consent.grant import EndedBy
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.services.consents.revocation import end_in
from consent_tokens.services.integrity.journal_outbox import known, make
from consent_tokens.store import checkpoints as marks
from consent_tokens.store.database import Transaction

AT_ONCE: Final = 500


def replay(world: World, *, adopt: bool = False) -> int:
    """End again every grant that the journal says has ended; return how many were live.

    With `adopt`, take the journal as it is, or a new one, even if it is not the one that this
    database knows: what stood only in the lost one is lost.
    """
    if adopt:
        make(world)
    end = world.journal.position()
    if not adopt:
        known(end, world.store.read(lambda transaction: marks.find(transaction, marks.JOURNAL)))
    ended = iter(world.journal.read())
    count = 0
    while part := list(islice(ended, AT_ONCE)):

        def deed(transaction: Transaction, part: list[Address] = part) -> int:
            live = marks.still_live(transaction, part)
            for address in live:
                end_in(world, transaction, address, EndedBy.JOURNAL)
            return len(live)

        count += world.store.run(deed)
    world.store.scrub()
    world.store.run(lambda transaction: marks.put(transaction, marks.JOURNAL, str(end)))
    return count
