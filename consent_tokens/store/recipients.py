"""Recipients: the table that maps the blind index of a phone number to a partition."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import delete, exists, select

from consent_tokens.row_key import new_partition, next_partition
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import (
    complaints,
    grants,
    invitations,
    merchant_consents,
    messages,
    preferences,
    recipients,
)

# a row in one of them keeps its recipient; the others are deleted with these, or sooner
HOLDERS: Final = (grants, messages, complaints, invitations, merchant_consents, preferences)


def find(transaction: Transaction, blind_index: bytes) -> int | None:
    """Return the partition of a recipient; None if nothing is stored about the number."""
    return transaction.scalar(
        select(recipients.c.partition).where(recipients.c.blind_index == blind_index)
    )


def is_known(transaction: Transaction, partition: int) -> bool:
    """Whether a phone number leads to a partition."""
    return bool(transaction.scalar(select(exists().where(recipients.c.partition == partition))))


def blind_index_of(transaction: Transaction, partition: int) -> bytes | None:
    """Return the blind index of the number of a recipient; None if there is no such recipient."""
    return transaction.scalar(
        select(recipients.c.blind_index).where(recipients.c.partition == partition)
    )


def list_after(
    transaction: Transaction, *, partition: int | None, limit: int
) -> list[tuple[int, bytes]]:
    """Return up to `limit` recipients, partition and blind index, in the order of partitions."""
    query = select(recipients.c.partition, recipients.c.blind_index)
    if partition is not None:
        query = query.where(recipients.c.partition > partition)
    rows = transaction.execute(query.order_by(recipients.c.partition).limit(limit))
    return [(row.partition, row.blind_index) for row in rows]


def get_or_create(transaction: Transaction, blind_index: bytes, random_bytes: bytes) -> int:
    """Return the partition of a recipient; a new one, from 8 random bytes, if there is none.

    No constraint keeps two recipients out of one partition, because a distributed database has
    none over all of its shards: a new partition is looked up first. Two transactions that draw the
    same 64 bits before either has committed are not noticed.
    """
    if (known := find(transaction, blind_index)) is not None:
        return known
    partition = new_partition(random_bytes)
    while is_known(transaction, partition):
        partition = next_partition(partition)
    insert_or_ignore(transaction, recipients, blind_index=blind_index, partition=partition)
    # another transaction may have inserted it first
    given: int = transaction.scalars(
        select(recipients.c.partition).where(recipients.c.blind_index == blind_index)
    ).one()
    return given


def delete_if_unused(transaction: Transaction, partition: int) -> bool:
    """Delete a recipient of whom nothing is kept any more; return whether it was deleted."""
    return delete_unused(transaction, [partition]) == 1


def delete_unused(transaction: Transaction, partitions: Collection[int]) -> int:
    """Delete those of some recipients of whom nothing is kept any more; return how many.

    While a consent, a message, a complaint, an invitation or a preference is kept, its consumer can
    see it again by proving the number.
    """
    if not partitions:
        return 0
    asked = sorted(partitions)
    # no correlated EXISTS: other tables are distributed by partition, this one by blind index
    held = (select(table.c.partition).where(table.c.partition.in_(asked)) for table in HOLDERS)
    query = delete(recipients).where(
        recipients.c.partition.in_(asked),
        *(recipients.c.partition.not_in(partitions_held) for partitions_held in held),
    )
    return transaction.execute(query).rowcount


def delete_recipient(transaction: Transaction, partition: int) -> None:
    """Delete a recipient, whatever its partition holds: the number leads nowhere from now on."""
    transaction.execute(delete(recipients).where(recipients.c.partition == partition))
