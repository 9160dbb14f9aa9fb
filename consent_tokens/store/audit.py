"""Pages of receipts and grants in the order of their keys, with what belongs to each."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, Table, select, tuple_

from consent_tokens.evidence.receipts import Receipt
from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import events, grants, receipts

PAGE_SIZE: Final = 500


class AuditedGrant(Struct, frozen=True):
    """A grant, and the kinds of its receipts and events."""

    key: RowKey
    status: str
    wrapped_key: bytes | None
    receipt_kinds: frozenset[str]
    event_kinds: frozenset[str]


def receipts_after(transaction: Transaction, after: RowKey | None) -> list[Receipt]:
    """Return the next page of receipts."""
    return [
        Receipt(
            key=RowKey(row.partition, row.id),
            kind=row.kind,
            grant_id=row.grant_id,
            issued_at=row.issued_at,
            jws=row.jws,
        )
        for row in transaction.execute(_page(receipts, after))
    ]


def grants_after(transaction: Transaction, after: RowKey | None) -> list[AuditedGrant]:
    """Return the next page of grants, each with the kinds of its receipts and events."""
    rows = transaction.execute(_page(grants, after)).all()
    partitions = {row.partition for row in rows}
    of_receipts = _kinds(transaction, receipts, receipts.c.partition.in_(partitions))
    of_events = _kinds(transaction, events, events.c.partition.in_(partitions))
    return [
        AuditedGrant(
            key=key,
            status=row.status,
            wrapped_key=row.wrapped_key,
            receipt_kinds=of_receipts.get(key, frozenset()),
            event_kinds=of_events.get(key, frozenset()),
        )
        for row in rows
        for key in (RowKey(row.partition, row.id),)
    ]


def _page(table: Table, after: RowKey | None) -> Select[Any]:
    query = select(table).order_by(table.c.partition, table.c.id).limit(PAGE_SIZE)
    if after is None:
        return query
    return query.where(tuple_(table.c.partition, table.c.id) > tuple_(*after))


def _kinds(
    transaction: Transaction, table: Table, where: ColumnElement[bool]
) -> Mapping[RowKey, frozenset[str]]:
    """Return the kinds of rows by the grant that they are of."""
    found: dict[RowKey, frozenset[str]] = {}
    columns = (table.c.partition, table.c.grant_id, table.c.kind)
    rows = transaction.execute(
        select(*columns).where(where, table.c.grant_id.is_not(None)).distinct()
    )
    for partition, grant_id, kind in rows:
        key = RowKey(partition, grant_id)
        found[key] = found.get(key, frozenset()) | {kind}
    return found
