"""Queries on the MACs of grants' newest tokens."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import bindparam, func, select, update

from consent_tokens.row_key import RowKey
from consent_tokens.store.bulk import ROW_KEY_COLUMNS, RowSet
from consent_tokens.store.database import Transaction, count_rows
from consent_tokens.store.tables import grants
from consent_tokens.store.wrapped_keys import KID_BYTES


class GrantMac(NamedTuple):
    """The MAC of a live grant, and whose grant it is."""

    merchant_id: str
    stored: bytes | None  # None: a grant of before has none


class MacChange(NamedTuple):
    """A MAC that takes the place of another, or of none."""

    grant: RowKey
    before: bytes | None
    after: bytes


# Merchant and liveness are compared here, not by the database: SQLite would look through all grants
# of the merchant, by the index of its lists, for each row.
OF_GRANTS: Final = """
SELECT grants.partition AS partition, grants.id AS id, grants.merchant_id AS merchant_id,
    grants.wrapped_key IS NOT NULL AS is_live, grants.token_mac AS token_mac
FROM {input} JOIN grants ON grants.partition = input.partition AND grants.id = input.id
"""


def of_grants(transaction: Transaction, keys: Collection[RowKey]) -> Mapping[RowKey, GrantMac]:
    """Return the stored MACs of live grants, without a lock. A grant that has ended is left out."""
    rows = RowSet(ROW_KEY_COLUMNS, sorted(keys))
    return {
        RowKey(row.partition, row.id): GrantMac(row.merchant_id, row.token_mac)
        for row in rows.run(transaction, OF_GRANTS)
        if row.is_live
    }


def replace(transaction: Transaction, changes: Sequence[MacChange]) -> None:
    """Replace MACs, each only if it is still what it was and its grant is live."""
    if not changes:
        return
    table = grants.c
    transaction.execute(
        update(grants)
        .where(
            table.partition == bindparam("of_partition"),
            table.id == bindparam("of_id"),
            table.token_mac.is_not_distinct_from(bindparam("before")),
            table.wrapped_key.is_not(None),
        )
        .values(token_mac=bindparam("after")),
        [
            {
                "of_partition": each.grant.partition,
                "of_id": each.grant.id,
                "before": each.before,
                "after": each.after,
            }
            for each in changes
        ],
    )


def record_renewal(transaction: Transaction, grant: RowKey, mac: bytes) -> None:
    """Store the MAC of a grant's new token."""
    transaction.execute(
        update(grants)
        .where(grants.c.partition == grant.partition, grants.c.id == grant.id)
        .values(token_mac=mac)
    )


def count_by_kid(transaction: Transaction) -> Mapping[bytes, int]:
    """Return how many MACs are under each key. Reads every grant."""
    kid = func.substr(grants.c.token_mac, 1, KID_BYTES)
    query = select(kid, func.count()).where(grants.c.token_mac.is_not(None)).group_by(kid)
    return {bytes(row[0]): row[1] for row in transaction.execute(query)}


def count_under(transaction: Transaction, kid: bytes, limit: int | None = None) -> int:
    """Return how many MACs are under one key, counted up to `limit`.

    Reads grants until so many are found, which may be all.
    """
    is_under = func.substr(grants.c.token_mac, 1, KID_BYTES) == kid
    return count_rows(transaction, select(grants.c.id).where(is_under), limit)
