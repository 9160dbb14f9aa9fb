"""Apply the revocation journal to a database that was restored from an old backup."""

from itertools import islice
from typing import Final

from consent_tokens.app_context import AppContext
from consent_tokens.consent.grant import EndReason
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.services.consents.revocation import revoke_within
from consent_tokens.services.integrity.journal_outbox import create_journal, unread_from
from consent_tokens.store import checkpoints as marks
from consent_tokens.store.database import Transaction

BATCH_SIZE: Final = 500


def replay(world: AppContext, *, accept: bool = False) -> int:
    """End again every grant that the journal says has ended; return how many were live.

    With `adopt`, take the journal as it is, or a new one, even if it is not the one that this
    database knows: what stood only in the lost one is lost.
    """
    if accept:
        create_journal(world)
    end = world.revocation_journal.position()
    if not accept:
        unread_from(
            end, world.database.read(lambda transaction: marks.find(transaction, marks.JOURNAL))
        )
    ended = iter(world.revocation_journal.read())
    count = 0
    while part := list(islice(ended, BATCH_SIZE)):

        def deed(transaction: Transaction, part: list[RowKey] = part) -> int:
            live = marks.live_grants_among(transaction, part)
            for address in live:
                revoke_within(world, transaction, address, EndReason.JOURNAL)
            return len(live)

        count += world.database.run(deed)
    world.database.truncate_wal()
    world.database.run(lambda transaction: marks.save(transaction, marks.JOURNAL, str(end)))
    return count
