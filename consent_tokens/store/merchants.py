"""Questions about merchants, their API keys and their senders."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, insert, select, update

from consent_tokens.clock import utc_from_epoch
from consent_tokens.store.bulk import RowSet
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import api_keys, merchant_weights, merchants, senders


class MerchantStatus(StrEnum):
    """Where a merchant stands with the platform."""

    APPLIED = "applied"
    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """Who wants to write; `home` is where the merchant's own rows live."""

    id: str
    partition: int
    name: str
    status: MerchantStatus
    admitted_at: datetime


def is_active(merchant: Merchant | None) -> bool:
    """Whether there is such a merchant and the platform lets it ask and send."""
    return merchant is not None and merchant.status is MerchantStatus.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Where a merchant writes from: `source` is what the phone shows as the sender."""

    id: str
    merchant_id: str
    port: str
    extension: str
    signature: str
    admitted_at: datetime

    @property
    def source(self) -> str:
        """Return port and extension together."""
        return self.port + self.extension


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key as the service knows it: the secret itself was shown once."""

    id: str
    merchant_id: str
    digest: bytes
    created_at: datetime
    revoked_at: datetime | None = None


def add(transaction: Transaction, merchant: Merchant) -> None:
    """Keep a new merchant."""
    transaction.execute(
        insert(merchants).values(
            id=merchant.id,
            partition=merchant.partition,
            name=merchant.name,
            status=merchant.status,
            admitted_at=merchant.admitted_at,
        )
    )


def list_all(transaction: Transaction) -> list[Merchant]:
    """Return all merchants, the oldest first."""
    rows = transaction.execute(select(merchants).order_by(merchants.c.admitted_at, merchants.c.id))
    return [_merchant(row) for row in rows]


def find(transaction: Transaction, merchant_id: str) -> Merchant | None:
    """Return a merchant; None if there is none."""
    row = transaction.execute(select(merchants).where(merchants.c.id == merchant_id)).one_or_none()
    return _merchant(row) if row else None


def find_many(transaction: Transaction, ids: Sequence[str]) -> dict[str, Merchant]:
    """Return the merchants of these ids."""
    rows = transaction.execute(select(merchants).where(merchants.c.id.in_(set(ids))))
    return {row.id: _merchant(row) for row in rows}


WITH_SENDERS = """
SELECT m.id, m.partition, m.name, m.status, m.admitted_at, s.id AS sender_id, s.port, s.extension,
    s.signature, s.admitted_at AS sender_admitted_at
FROM {input} JOIN merchants m ON m.id = input.id LEFT JOIN senders s ON s.merchant_id = m.id
ORDER BY s.admitted_at DESC, s.id DESC
"""


def find_with_senders(
    transaction: Transaction, ids: Collection[str]
) -> tuple[dict[str, Merchant], dict[str, Sender]]:
    """Return merchants by their ids, and the sender each writes from: the one admitted first."""
    named: dict[str, Merchant] = {}
    first: dict[str, Sender] = {}
    for row in RowSet({"id": "text"}, [(name,) for name in sorted(ids)]).run(
        transaction, WITH_SENDERS
    ):
        named[row.id] = Merchant(
            id=row.id,
            partition=row.partition,
            name=row.name,
            status=MerchantStatus(row.status),
            admitted_at=utc_from_epoch(row.admitted_at),
        )
        if row.sender_id is not None:  # the last row of a merchant is the sender admitted first
            first[row.id] = Sender(
                id=row.sender_id,
                merchant_id=row.id,
                port=row.port,
                extension=row.extension,
                signature=row.signature,
                admitted_at=utc_from_epoch(row.sender_admitted_at),
            )
    return named, first


def set_status(transaction: Transaction, merchant_id: str, status: MerchantStatus) -> bool:
    """Set where a merchant stands; whether there is one."""
    result = transaction.execute(
        update(merchants).where(merchants.c.id == merchant_id).values(status=status)
    )
    return result.rowcount == 1


def add_api_key(transaction: Transaction, key: ApiKey) -> None:
    """Keep a new API key."""
    transaction.execute(
        insert(api_keys).values(
            id=key.id, merchant_id=key.merchant_id, digest=key.digest, created_at=key.created_at
        )
    )


def api_keys_of(transaction: Transaction, merchant_id: str) -> list[ApiKey]:
    """Return a merchant's API keys, the oldest first."""
    rows = transaction.execute(
        select(api_keys)
        .where(api_keys.c.merchant_id == merchant_id)
        .order_by(api_keys.c.created_at, api_keys.c.id)
    )
    return [_key(row) for row in rows]


def find_api_key(transaction: Transaction, key_id: str) -> ApiKey | None:
    """Return an API key, revoked or not; None if there is none."""
    row = transaction.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
    return _key(row) if row else None


def revoke_api_key(transaction: Transaction, key_id: str, at: datetime) -> bool:
    """Revoke an API key; whether there was a live one."""
    result = transaction.execute(
        update(api_keys)
        .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    return result.rowcount == 1


def add_sender(transaction: Transaction, sender: Sender) -> None:
    """Keep a newly admitted sender."""
    transaction.execute(
        insert(senders).values(
            id=sender.id,
            merchant_id=sender.merchant_id,
            port=sender.port,
            extension=sender.extension,
            signature=sender.signature,
            admitted_at=sender.admitted_at,
        )
    )


def senders_of(transaction: Transaction, merchant_id: str) -> list[Sender]:
    """Return a merchant's senders, the one admitted first in front: the one that is used."""
    rows = transaction.execute(
        select(senders)
        .where(senders.c.merchant_id == merchant_id)
        .order_by(senders.c.admitted_at, senders.c.id)
    )
    return [_sender(row) for row in rows]


def find_senders(transaction: Transaction, ids: Sequence[str]) -> dict[str, Sender]:
    """Return the senders of these ids."""
    rows = transaction.execute(select(senders).where(senders.c.id.in_(set(ids))))
    return {row.id: _sender(row) for row in rows}


def senders_with_source(transaction: Transaction, source: str) -> list[Sender]:
    """Return every sender whose port and extension make up this address."""
    rows = transaction.execute(
        select(senders).where((senders.c.port + senders.c.extension) == source)
    )
    return [_sender(row) for row in rows]


def _merchant(row: Row[Any]) -> Merchant:
    return Merchant(
        id=row.id,
        partition=row.partition,
        name=row.name,
        status=MerchantStatus(row.status),
        admitted_at=row.admitted_at,
    )


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        merchant_id=row.merchant_id,
        digest=row.digest,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )


def _sender(row: Row[Any]) -> Sender:
    return Sender(
        id=row.id,
        merchant_id=row.merchant_id,
        port=row.port,
        extension=row.extension,
        signature=row.signature,
        admitted_at=row.admitted_at,
    )


def weights(transaction: Transaction) -> Mapping[str, int]:
    """Return the weights that are not one, by merchant id."""
    rows = transaction.execute(select(merchant_weights))
    return {row.merchant_id: row.weight for row in rows}


def set_weight(transaction: Transaction, merchant_id: str, weight: int) -> None:
    """Set a merchant's weight: its share of the throughput while messages of several wait."""
    if not insert_or_ignore(transaction, merchant_weights, merchant_id=merchant_id, weight=weight):
        transaction.execute(
            update(merchant_weights)
            .where(merchant_weights.c.merchant_id == merchant_id)
            .values(weight=weight)
        )
