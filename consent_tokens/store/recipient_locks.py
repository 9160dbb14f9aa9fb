"""Locks on recipients: so that the texts of all merchants to one of them are counted together.

A row is locked by writing it. Citus refuses FOR UPDATE over several shards, and a recipient without
preferences has no other row that all merchants share.
"""

from collections.abc import Collection
from datetime import datetime

from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Transaction


def lock(transaction: Transaction, partitions: Collection[int], now: datetime) -> None:
    """Lock recipients until the transaction ends; on SQLite the only writer has them locked.

    Call it with the grants of the messages locked. Rows are locked in order, so that two batches do
    not deadlock.
    """
    if transaction.dialect.name != "sqlite":
        rows = [(partition, int(now.timestamp())) for partition in sorted(set(partitions))]
        columns = ("partition", "locked_at")
        insert_rows(transaction, "recipient_locks", columns, rows, or_update=columns)
