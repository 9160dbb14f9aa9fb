"""Queries on the stored responses to requests with an Idempotency-Key."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import idempotency_responses as table


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


def save_response(transaction: Transaction, merchant_id: str, key: bytes, envelope: bytes) -> None:
    """Save the response to the request that claimed `key`."""
    transaction.execute(
        update(table)
        .where(table.c.merchant_id == merchant_id, table.c.key_hash == key)
        .values(sealed_response=envelope)
    )
