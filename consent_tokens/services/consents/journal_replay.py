"""Replay the revocation journal into a database that was restored from an old backup."""

from itertools import islice
from typing import Final

from consent_tokens.consent.grant import EndReason
from consent_tokens.row_key import RowKey
from consent_tokens.services.consents.revocation import revoke_within
from consent_tokens.services.integrity.journal_outbox import create_journal, unread_from
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints
from consent_tokens.store.database import Transaction

BATCH_SIZE: Final = 500  # journal entries per transaction


def replay(runtime: Runtime, *, accept: bool = False) -> int:
    """Revoke again every live grant that the journal lists as revoked; return how many.

    With `accept`, use the journal at hand, or create one, even if it is not the one that this
    database knows; revocations that only the lost journal held are lost. Raises
    JournalUnavailableError.
    """
    if accept:
        create_journal(runtime)
    end = runtime.revocation_journal.position()
    if not accept:
        unread_from(
            end,
            runtime.database.read(
                lambda transaction: checkpoints.find(transaction, checkpoints.JOURNAL)
            ),
        )
    revoked = iter(runtime.revocation_journal.read())
    count = 0
    while batch := list(islice(revoked, BATCH_SIZE)):

        def work(transaction: Transaction, batch: list[RowKey] = batch) -> int:
            live = checkpoints.live_grants_among(transaction, batch)
            for key in live:
                revoke_within(runtime, transaction, key, EndReason.JOURNAL)
            return len(live)

        count += runtime.database.run(work)
    runtime.database.truncate_wal()
    runtime.database.run(
        lambda transaction: checkpoints.save(transaction, checkpoints.JOURNAL, str(end))
    )
    return count
