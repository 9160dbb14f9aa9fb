"""Questions about recipients: the one place where a number, blinded, leads to a home."""

from sqlalchemy import delete, exists, select

from consent_tokens.row_key import new_partition
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import grants, invitations, preferences, recipients


def find(transaction: Transaction, blind_index: bytes) -> int | None:
    """Return the home of a recipient; None if nothing is kept about the number."""
    return transaction.scalar(
        select(recipients.c.partition).where(recipients.c.blind_index == blind_index)
    )


def get_or_create(transaction: Transaction, blind_index: bytes, random_bytes: bytes) -> int:
    """Return the home of a recipient, giving a new one if there was none; `drawn` is 8 bytes."""
    insert_or_ignore(
        transaction, recipients, blind_index=blind_index, partition=new_partition(random_bytes)
    )
    partition: int = transaction.scalars(
        select(recipients.c.partition).where(recipients.c.blind_index == blind_index)
    ).one()
    return partition


def delete_if_unused(transaction: Transaction, partition: int) -> bool:
    """Remove the way from a number to its home once nothing is left there that needs it.

    What needs it is a consent, a wish, or a no that is still to be remembered; `has_wishes` says
    whether the database has tables for the last two. Returns whether it was removed.
    """
    query = delete(recipients).where(
        recipients.c.partition == partition,
        ~exists().where(grants.c.partition == partition, grants.c.wrapped_key.is_not(None)),
        ~exists().where(preferences.c.partition == partition),
        ~exists().where(invitations.c.partition == partition),
    )
    return transaction.execute(query).rowcount == 1


def delete_recipient(transaction: Transaction, partition: int) -> None:
    """Remove the way from a number to a home, whatever is left there."""
    transaction.execute(delete(recipients).where(recipients.c.partition == partition))
