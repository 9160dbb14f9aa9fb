"""Recipients: the table that maps the blind index of a phone number to a partition."""

from sqlalchemy import delete, exists, select

from consent_tokens.row_key import new_partition
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import grants, invitations, preferences, recipients


def find(transaction: Transaction, blind_index: bytes) -> int | None:
    """Return the partition of a recipient; None if nothing is stored about the number."""
    return transaction.scalar(
        select(recipients.c.partition).where(recipients.c.blind_index == blind_index)
    )


def get_or_create(transaction: Transaction, blind_index: bytes, random_bytes: bytes) -> int:
    """Return the partition of a recipient; a new one, from 8 random bytes, if there is none."""
    insert_or_ignore(
        transaction, recipients, blind_index=blind_index, partition=new_partition(random_bytes)
    )
    partition: int = transaction.scalars(
        select(recipients.c.partition).where(recipients.c.blind_index == blind_index)
    ).one()
    return partition


def delete_if_unused(transaction: Transaction, partition: int) -> bool:
    """Delete a recipient without live grants, preferences or invitations.

    Returns whether it was deleted.
    """
    query = delete(recipients).where(
        recipients.c.partition == partition,
        ~exists().where(grants.c.partition == partition, grants.c.wrapped_key.is_not(None)),
        ~exists().where(preferences.c.partition == partition),
        ~exists().where(invitations.c.partition == partition),
    )
    return transaction.execute(query).rowcount == 1


def delete_recipient(transaction: Transaction, partition: int) -> None:
    """Delete a recipient, whatever its partition holds: the number leads nowhere from now on."""
    transaction.execute(delete(recipients).where(recipients.c.partition == partition))
