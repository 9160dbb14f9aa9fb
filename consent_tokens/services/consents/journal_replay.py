"""Apply the revocation journal to a database that was restored from an old backup."""

from itertools import islice
from typing import Final

from consent_tokens.consent.grant import EndReason
from consent_tokens.row_key import RowKey
from consent_tokens.services.consents.revocation import revoke_within
from consent_tokens.services.integrity.journal_outbox import create_journal, unread_from
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import checkpoints
from consent_tokens.store.database import Transaction

BATCH_SIZE: Final = 500


def replay(runtime: Runtime, *, accept: bool = False) -> int:
    """End again every grant that the journal says has ended; return how many were live.

    With `adopt`, take the journal as it is, or a new one, even if it is not the one that this
    database knows: what stood only in the lost one is lost.
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
    ended = iter(runtime.revocation_journal.read())
    count = 0
    while part := list(islice(ended, BATCH_SIZE)):

        def work(transaction: Transaction, part: list[RowKey] = part) -> int:
            live = checkpoints.live_grants_among(transaction, part)
            for key in live:
                revoke_within(runtime, transaction, key, EndReason.JOURNAL)
            return len(live)

        count += runtime.database.run(work)
    runtime.database.truncate_wal()
    runtime.database.run(
        lambda transaction: checkpoints.save(transaction, checkpoints.JOURNAL, str(end))
    )
    return count
