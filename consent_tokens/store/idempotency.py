"""Queries on the stored responses to requests with an Idempotency-Key."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from consent_tokens.store.bulk import find_rows, insert_rows
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.round_trips import Asked
from consent_tokens.store.tables import idempotency_responses as table

TABLE: Final = "idempotency_responses"
COLUMNS: Final = (
    "merchant_id", "key_hash", "request_fingerprint", "created_at", "sealed_response",
)  # fmt: skip
StoredRow: TypeAlias = tuple[str, bytes, bytes, datetime, bytes]  # time as a datetime


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The fingerprint of a request, and the response to it in a sealed envelope."""

    fingerprint: bytes
    envelope: bytes


def claim(
    transaction: Transaction, merchant_id: str, key: bytes, fingerprint: bytes, at: datetime
) -> StoredResponse | None:
    """Claim `key` for this transaction; return the stored response if it was used before.

    Of two concurrent transactions the second waits for the first, then returns its response.
    """
    if insert_or_ignore(
        transaction,
        table,
        merchant_id=merchant_id,
        key_hash=key,
        request_fingerprint=fingerprint,
        created_at=at,
    ):
        return None
    row = transaction.execute(
        select(table.c.request_fingerprint, table.c.sealed_response).where(
            table.c.merchant_id == merchant_id, table.c.key_hash == key
        )
    ).one()
    return StoredResponse(row.request_fingerprint, row.sealed_response)


def find_all(
    transaction: Transaction, keys: Collection[tuple[str, bytes]]
) -> Asked[Mapping[tuple[str, bytes], StoredResponse]]:
    """Ask for the stored responses under these (merchant id, key hash)."""
    rows = find_rows(
        transaction,
        TABLE,
        {"merchant_id": "text", "key_hash": "bytea"},
        list(keys),
        columns=("request_fingerprint", "sealed_response"),
    )
    return lambda: {
        (row.merchant_id, bytes(row.key_hash)): StoredResponse(
            row.request_fingerprint, row.sealed_response
        )
        for row in rows()
    }


def add_all(transaction: Transaction, rows: Sequence[StoredRow]) -> None:
    """Insert responses.

    On PostgreSQL it waits for a concurrent transaction that inserts the same key, and then fails
    as `stored_meanwhile` says.
    """
    values = [(*row[:3], int(row[3].timestamp()), row[4]) for row in sorted(rows)]
    insert_rows(transaction, TABLE, COLUMNS, values)


class StoredMeanwhileError(Exception):
    """Another process has stored a response under one of the keys; nothing was done."""


@contextmanager
def stored_meanwhile() -> Iterator[None]:
    """Raise StoredMeanwhileError if a transaction of this block fails because of a stored key."""
    try:
        yield
    except IntegrityError as error:
        # the name of the constraint, to which Citus adds the number of a shard
        diagnosed = getattr(error.orig, "diag", None)
        if diagnosed is None or TABLE not in (diagnosed.constraint_name or ""):
            raise
        raise StoredMeanwhileError from error


def save_response(transaction: Transaction, merchant_id: str, key: bytes, envelope: bytes) -> None:
    """Save the response to the request that claimed `key`."""
    transaction.execute(
        update(table)
        .where(table.c.merchant_id == merchant_id, table.c.key_hash == key)
        .values(sealed_response=envelope)
    )
