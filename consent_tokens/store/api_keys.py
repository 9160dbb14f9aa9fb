"""Queries on the API keys of merchants."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from consent_tokens.store.admission_tables import api_keys
from consent_tokens.store.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key as it is stored: a digest. The secret itself is shown once, on creation."""

    id: str
    merchant_id: str
    digest: bytes
    created_at: datetime
    revoked_at: datetime | None = None


def add(transaction: Transaction, key: ApiKey) -> None:
    """Insert an API key."""
    transaction.execute(
        insert(api_keys).values(
            id=key.id, merchant_id=key.merchant_id, digest=key.digest, created_at=key.created_at
        )
    )


def of_merchant(transaction: Transaction, merchant_id: str) -> list[ApiKey]:
    """Return a merchant's API keys, oldest first."""
    rows = transaction.execute(
        select(api_keys)
        .where(api_keys.c.merchant_id == merchant_id)
        .order_by(api_keys.c.created_at, api_keys.c.id)
    )
    return [_api_key(row) for row in rows]


def find(transaction: Transaction, key_id: str) -> ApiKey | None:
    """Return an API key, revoked or not; None if there is none."""
    row = transaction.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
    return _api_key(row) if row else None


def revoke(transaction: Transaction, key_id: str, at: datetime) -> bool:
    """Revoke an API key; return whether there was a live one."""
    result = transaction.execute(
        update(api_keys)
        .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    return result.rowcount == 1


def _api_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        merchant_id=row.merchant_id,
        digest=row.digest,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
