"""Queries on the API keys of merchants."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from consent_tokens.relay.admission.api_access import (
    ALL_SCOPES,
    ApiAccess,
    ApiKey,
    ApiScope,
    Network,
    parse_networks,
)
from consent_tokens.relay.sandbox import sandbox_id
from consent_tokens.store.admission_tables import api_keys
from consent_tokens.store.database import Transaction


def add(transaction: Transaction, key: ApiKey) -> None:
    """Insert an API key."""
    transaction.execute(
        insert(api_keys).values(
            id=key.id,
            merchant_id=key.merchant_id,
            digest=key.digest,
            created_at=key.created_at,
            created_by=key.created_by,
            **_access_columns(key.access),
        )
    )


def _access_columns(access: ApiAccess) -> dict[str, Any]:
    networks = access.networks
    return {
        "scopes": None if access.scopes == ALL_SCOPES else " ".join(sorted(access.scopes)),
        "networks": None if networks is None else " ".join(map(str, networks)),
        "expires_at": access.expires_at,
        "rate": access.rate,
        "is_test": access.is_test or None,
    }


def of_merchant(transaction: Transaction, merchant_id: str) -> list[ApiKey]:
    """Return a merchant's API keys, its test keys too, oldest first."""
    rows = transaction.execute(
        select(api_keys)
        .where(api_keys.c.merchant_id.in_({merchant_id, sandbox_id(merchant_id)}))
        .order_by(api_keys.c.created_at, api_keys.c.id)
    )
    return [_api_key(row) for row in rows]


def networks_of_merchants(transaction: Transaction) -> dict[str, frozenset[Network]]:
    """Return the networks of all keys that were ever narrowed to some, by merchant id."""
    rows = transaction.execute(
        select(api_keys.c.merchant_id, api_keys.c.networks).where(api_keys.c.networks.is_not(None))
    )
    found: dict[str, frozenset[Network]] = {}
    for row in rows:
        before = found.get(row.merchant_id, frozenset())
        found[row.merchant_id] = before.union(parse_networks(row.networks.split()))
    return found


def find(transaction: Transaction, key_id: str) -> ApiKey | None:
    """Return an API key, revoked or not; None if there is none."""
    row = transaction.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
    return _api_key(row) if row else None


def lock(transaction: Transaction, key_id: str) -> ApiKey | None:
    """Return an API key, and lock its row until the transaction ends; None if there is none."""
    query = select(api_keys).where(api_keys.c.id == key_id).with_for_update()
    row = transaction.execute(query).one_or_none()
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
        access=_access(row),
        created_by=row.created_by,
    )


def _access(row: Row[Any]) -> ApiAccess:
    """Return what a key may do. Null is no bound; an empty list is nothing, and nowhere."""
    scopes, networks = row.scopes, row.networks
    named = () if scopes is None else scopes.split()  # one of a newer version is left out
    return ApiAccess(
        scopes=ALL_SCOPES if scopes is None else frozenset(s for s in ApiScope if s in named),
        networks=None if networks is None else parse_networks(networks.split()),
        expires_at=row.expires_at,
        rate=row.rate,
        is_test=bool(row.is_test),
    )
