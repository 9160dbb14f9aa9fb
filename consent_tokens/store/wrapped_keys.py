"""Queries on wrapped data keys: how many are under which wrapping key, and replacing them.

A stored value begins with the id of its wrapping key (`crypto.sealing`). No index has that id: it
would be written with every message. Rows are read by their primary key, a page at a time.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Column,
    Table,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from consent_tokens.store import admission_tables, tables
from consent_tokens.store.database import Transaction, count_rows

KID_BYTES: Final = 8
PAGE_ROWS: Final = 250
PICTURE_PAGE_ROWS: Final = 10  # a picture has up to a megabyte
DOCUMENT_PAGE_ROWS: Final = 2  # a document has up to five


class WrappedColumn(NamedTuple):
    """A column of wrapped keys or envelopes, and how many rows of it are read at a time."""

    table: Table
    name: str
    page_rows: int = PAGE_ROWS

    @property
    def column(self) -> Column[bytes]:
        """Return the column."""
        return self.table.c[self.name]

    @property
    def key(self) -> list[Column[Any]]:
        """Return the columns of the primary key."""
        return list(self.table.primary_key.columns)


LASTING: Final = (  # what is kept for a day or longer, and is wrapped again after a rotation
    WrappedColumn(tables.grants, "wrapped_key"),
    WrappedColumn(tables.consent_requests, "token"),
    WrappedColumn(tables.idempotency_responses, "sealed_response"),
    WrappedColumn(tables.webhooks, "secret"),
    WrappedColumn(tables.complaints, "statement"),
    WrappedColumn(tables.complaints, "picture", PICTURE_PAGE_ROWS),
    WrappedColumn(tables.complaints, "shown_text"),
    WrappedColumn(admission_tables.merchant_documents, "content", DOCUMENT_PAGE_ROWS),
)
# of the service's own messages until they are sent or expire: not wrapped again
OUTBOX: Final = WrappedColumn(tables.messages, "wrapped_key")


class WrappedPage(NamedTuple):
    """One page of a column: where it ends, and the values under other keys, by primary key."""

    last: tuple[Any, ...] | None  # None: no row is left
    values: Mapping[tuple[Any, ...], bytes]


def count_by_kid(transaction: Transaction) -> Counter[bytes]:
    """Return how many values are under each wrapping key. Reads every row."""
    counts: Counter[bytes] = Counter()
    for wrapped in (*LASTING, OUTBOX):
        kid = func.substr(wrapped.column, 1, KID_BYTES)
        query = select(kid, func.count()).where(wrapped.column.is_not(None)).group_by(kid)
        if wrapped is OUTBOX:  # two partial indexes instead of all messages
            query = query.where(or_(tables.IS_WAITING, tables.IS_SENDING))
        rows = transaction.execute(query)
        counts.update({bytes(row[0]): row[1] for row in rows})
    return counts


def count_under(transaction: Transaction, kid: bytes, limit: int | None = None) -> int:
    """Return how many values are under one wrapping key, counted up to `limit`.

    Reads rows until so many are found, which may be all.
    """
    count = 0
    for wrapped in (*LASTING, OUTBOX):
        left = None if limit is None else limit - count
        if left is not None and left <= 0:
            break
        query = select(literal(1)).where(func.substr(wrapped.column, 1, KID_BYTES) == kid)
        if wrapped is OUTBOX:  # two partial indexes instead of all messages
            query = query.where(or_(tables.IS_WAITING, tables.IS_SENDING))
        count += count_rows(transaction, query.select_from(wrapped.table), left)
    return count


def page_under_others(
    transaction: Transaction, wrapped: WrappedColumn, kid: bytes, after: tuple[Any, ...] | None
) -> WrappedPage:
    """Return the values that are not under the key `kid`, of the page after a primary key."""
    column, key = wrapped.column, wrapped.key
    is_under_another = func.substr(column, 1, KID_BYTES) != kid
    query = select(*key, case((is_under_another, column)).label("value"))
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    rows = transaction.execute(query.order_by(*key).limit(wrapped.page_rows)).all()
    found = {tuple(row[:-1]): bytes(row[-1]) for row in rows if row[-1] is not None}
    return WrappedPage(tuple(rows[-1][:-1]) if rows else None, found)


def replace_values(
    transaction: Transaction,
    wrapped: WrappedColumn,
    changes: Sequence[tuple[tuple[Any, ...], bytes, bytes]],
) -> None:
    """Replace values, each given by primary key, old value and new value.

    A row that has changed meanwhile (a grant that was revoked) stays as it is.
    """
    statement = (
        update(wrapped.table)
        .where(
            *(column == bindparam(f"key_{column.name}") for column in wrapped.key),
            wrapped.column == bindparam("old"),
        )
        .values({wrapped.name: bindparam("new")})
    )
    names = [f"key_{column.name}" for column in wrapped.key]
    transaction.execute(
        statement,
        [
            {**dict(zip(names, key, strict=True)), "old": old, "new": new}
            for key, old, new in changes
        ],
    )


def count_live_grants(
    transaction: Transaction, begin: datetime, end: datetime | None, limit: int | None = None
) -> int:
    """Return how many grants that still have their key were made from `begin` on, before `end`.

    Counted up to `limit`.
    """
    grants = tables.grants
    query = select(literal(1)).where(
        grants.c.wrapped_key.is_not(None), grants.c.granted_at >= begin
    )
    if end is not None:
        query = query.where(grants.c.granted_at < end)
    return count_rows(transaction, query, limit)


def count_sessions(transaction: Transaction) -> int:
    """Return how many consumers are signed in, at most."""
    return transaction.execute(
        select(func.count()).select_from(tables.consumer_sessions)
    ).scalar_one()


def any_live_key(transaction: Transaction) -> bytes | None:
    """Return the wrapped key of some live grant; None if there is none."""
    return transaction.execute(
        select(tables.grants.c.wrapped_key).where(tables.grants.c.wrapped_key.is_not(None)).limit(1)
    ).scalar_one_or_none()
