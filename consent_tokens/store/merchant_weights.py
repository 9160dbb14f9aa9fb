"""Questions about merchants' shares of the way out."""

from collections.abc import Mapping

from sqlalchemy import select, update

from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import merchant_shares


def weights(transaction: Transaction) -> Mapping[str, int]:
    """Return the weights that are not one, by merchant."""
    rows = transaction.execute(select(merchant_shares))
    return {row.merchant_id: row.weight for row in rows}


def set_weight(transaction: Transaction, merchant_id: str, weight: int) -> None:
    """Set a merchant's weight."""
    if not insert_or_ignore(transaction, merchant_shares, merchant_id=merchant_id, weight=weight):
        transaction.execute(
            update(merchant_shares)
            .where(merchant_shares.c.merchant_id == merchant_id)
            .values(weight=weight)
        )
