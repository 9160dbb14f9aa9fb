"""Questions about recipients: the one place where a number, blinded, leads to a home."""

from sqlalchemy import delete, exists, select

from consent_tokens.crypto.opaque_ids import new_partition
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import grants, invitations, recipients, wishes


def find(transaction: Transaction, blind_index: bytes) -> int | None:
    """Return the home of a recipient; None if nothing is kept about the number."""
    return transaction.scalar(
        select(recipients.c.home).where(recipients.c.blind_index == blind_index)
    )


def get_or_create(transaction: Transaction, blind_index: bytes, drawn: bytes) -> int:
    """Return the home of a recipient, giving a new one if there was none; `drawn` is 8 bytes."""
    insert_or_ignore(transaction, recipients, blind_index=blind_index, home=new_partition(drawn))
    home: int = transaction.scalars(
        select(recipients.c.home).where(recipients.c.blind_index == blind_index)
    ).one()
    return home


def delete_if_unused(transaction: Transaction, home: int, *, has_wishes: bool) -> bool:
    """Remove the way from a number to its home once nothing is left there that needs it.

    What needs it is a consent, a wish, or a no that is still to be remembered; `has_wishes` says
    whether the database has tables for the last two. Returns whether it was removed.
    """
    query = delete(recipients).where(
        recipients.c.home == home,
        ~exists().where(grants.c.home == home, grants.c.wrapped_key.is_not(None)),
    )
    if has_wishes:
        query = query.where(
            ~exists().where(wishes.c.home == home), ~exists().where(invitations.c.home == home)
        )
    return transaction.execute(query).rowcount == 1


def delete_recipient(transaction: Transaction, home: int) -> None:
    """Remove the way from a number to a home, whatever is left there."""
    transaction.execute(delete(recipients).where(recipients.c.home == home))
