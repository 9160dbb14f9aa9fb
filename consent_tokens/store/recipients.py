"""Questions about recipients: the one place where a number, blinded, leads to a home."""

from sqlalchemy import delete, exists, select

from consent_tokens.crypto.handles import new_home
from consent_tokens.store.engine import Transaction, insert_or_ignore
from consent_tokens.store.tables import grants, recipients


def find(transaction: Transaction, blind_index: bytes) -> int | None:
    """Return the home of a recipient; None if nothing is kept about the number."""
    return transaction.scalar(
        select(recipients.c.home).where(recipients.c.blind_index == blind_index)
    )


def settle(transaction: Transaction, blind_index: bytes, drawn: bytes) -> int:
    """Return the home of a recipient, giving a new one if there was none; `drawn` is 8 bytes."""
    insert_or_ignore(transaction, recipients, blind_index=blind_index, home=new_home(drawn))
    home: int = transaction.scalars(
        select(recipients.c.home).where(recipients.c.blind_index == blind_index)
    ).one()
    return home


def forget_if_idle(transaction: Transaction, home: int) -> bool:
    """Remove the way from a number to its home once no consent is left; whether it was removed."""
    result = transaction.execute(
        delete(recipients).where(
            recipients.c.home == home,
            ~exists().where(grants.c.home == home, grants.c.wrapped_key.is_not(None)),
        )
    )
    return result.rowcount == 1
