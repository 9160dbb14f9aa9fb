"""Queries on merchants, their API keys, their senders and their weights."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, func, insert, literal, select, update

from consent_tokens.clock import utc_from_epoch
from consent_tokens.store.admission_tables import api_keys, merchant_weights, merchants, senders
from consent_tokens.store.bulk import RowSet
from consent_tokens.store.database import Transaction, insert_or_ignore


class MerchantStatus(StrEnum):
    """The status of a merchant on the platform."""

    APPLIED = "applied"
    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantIdentity:
    """Who a merchant is (PIPL 17, 23), and who checked it; None is what is not known."""

    legal_name: str | None = None
    registration: str | None = None  # number in the register of companies
    contact: str | None = None
    website: str | None = None
    checked_by: str | None = None  # None: nobody checked it
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """A legal entity that sends; `partition` holds its consent requests and webhook events."""

    id: str
    partition: int
    name: str
    status: MerchantStatus
    admitted_at: datetime
    identity: MerchantIdentity = MerchantIdentity()


IDENTITY_COLUMNS = tuple(each.name for each in fields(MerchantIdentity))


def is_active(merchant: Merchant | None) -> bool:
    """Whether the merchant exists and may ask for consent and send."""
    return merchant is not None and merchant.status is MerchantStatus.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A sender of a merchant; `source` is the number that the phone shows."""

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
    """An API key as it is stored: a digest. The secret itself is shown once, on creation."""

    id: str
    merchant_id: str
    digest: bytes
    created_at: datetime
    revoked_at: datetime | None = None


def add(transaction: Transaction, merchant: Merchant) -> None:
    """Insert a merchant."""
    transaction.execute(
        insert(merchants).values(
            id=merchant.id,
            partition=merchant.partition,
            name=merchant.name,
            status=merchant.status,
            admitted_at=merchant.admitted_at,
            **_identity_columns(merchant.identity),
        )
    )


def list_all(transaction: Transaction) -> list[Merchant]:
    """Return all merchants, oldest first."""
    rows = transaction.execute(select(merchants).order_by(merchants.c.admitted_at, merchants.c.id))
    return [_merchant(row) for row in rows]


def find(transaction: Transaction, merchant_id: str) -> Merchant | None:
    """Return a merchant; None if there is none."""
    row = transaction.execute(select(merchants).where(merchants.c.id == merchant_id)).one_or_none()
    return _merchant(row) if row else None


def find_many(transaction: Transaction, ids: Sequence[str]) -> dict[str, Merchant]:
    """Return merchants by their ids; unknown ids are left out."""
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
    """Return merchants by their ids, and the sender that each uses: the one admitted first.

    For the relay, which needs no identity of them: they come without.
    """
    found: dict[str, Merchant] = {}
    first_senders: dict[str, Sender] = {}
    id_rows = RowSet({"id": "text"}, [(merchant_id,) for merchant_id in sorted(ids)])
    for row in id_rows.run(transaction, WITH_SENDERS):
        found[row.id] = Merchant(
            id=row.id,
            partition=row.partition,
            name=row.name,
            status=MerchantStatus(row.status),
            admitted_at=utc_from_epoch(row.admitted_at),
        )
        if row.sender_id is not None:  # the last row of a merchant is the sender admitted first
            first_senders[row.id] = Sender(
                id=row.sender_id,
                merchant_id=row.id,
                port=row.port,
                extension=row.extension,
                signature=row.signature,
                admitted_at=utc_from_epoch(row.sender_admitted_at),
            )
    return found, first_senders


def set_status(transaction: Transaction, merchant_id: str, status: MerchantStatus) -> bool:
    """Set the status of a merchant; return whether it exists."""
    result = transaction.execute(
        update(merchants).where(merchants.c.id == merchant_id).values(status=status)
    )
    return result.rowcount == 1


def set_identity(transaction: Transaction, merchant_id: str, identity: MerchantIdentity) -> None:
    """Save who a merchant is, and who checked it."""
    transaction.execute(
        update(merchants).where(merchants.c.id == merchant_id).values(**_identity_columns(identity))
    )


def _identity_columns(identity: MerchantIdentity) -> dict[str, Any]:
    return {name: getattr(identity, name) for name in IDENTITY_COLUMNS}


def add_api_key(transaction: Transaction, key: ApiKey) -> None:
    """Insert an API key."""
    transaction.execute(
        insert(api_keys).values(
            id=key.id, merchant_id=key.merchant_id, digest=key.digest, created_at=key.created_at
        )
    )


def api_keys_of(transaction: Transaction, merchant_id: str) -> list[ApiKey]:
    """Return a merchant's API keys, oldest first."""
    rows = transaction.execute(
        select(api_keys)
        .where(api_keys.c.merchant_id == merchant_id)
        .order_by(api_keys.c.created_at, api_keys.c.id)
    )
    return [_api_key(row) for row in rows]


def find_api_key(transaction: Transaction, key_id: str) -> ApiKey | None:
    """Return an API key, revoked or not; None if there is none."""
    row = transaction.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
    return _api_key(row) if row else None


def revoke_api_key(transaction: Transaction, key_id: str, at: datetime) -> bool:
    """Revoke an API key; return whether there was a live one."""
    result = transaction.execute(
        update(api_keys)
        .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    return result.rowcount == 1


def add_sender(transaction: Transaction, sender: Sender) -> None:
    """Insert a sender."""
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
    """Return a merchant's senders, in order of admission; the first is the one that is used."""
    rows = transaction.execute(
        select(senders)
        .where(senders.c.merchant_id == merchant_id)
        .order_by(senders.c.admitted_at, senders.c.id)
    )
    return [_sender(row) for row in rows]


def find_senders(transaction: Transaction, ids: Sequence[str]) -> dict[str, Sender]:
    """Return senders by their ids; unknown ids are left out."""
    rows = transaction.execute(select(senders).where(senders.c.id.in_(set(ids))))
    return {row.id: _sender(row) for row in rows}


def senders_with_source(transaction: Transaction, source: str) -> list[Sender]:
    """Return every sender whose port and extension make up `source`."""
    rows = transaction.execute(
        select(senders).where((senders.c.port + senders.c.extension) == source)
    )
    return [_sender(row) for row in rows]


def senders_under(transaction: Transaction, address: str) -> list[Sender]:
    """Return every sender whose port is the beginning of `address`."""
    is_under = func.substr(literal(address), 1, func.length(senders.c.port)) == senders.c.port
    rows = transaction.execute(select(senders).where(is_under).order_by(senders.c.id))
    return [_sender(row) for row in rows]


def _merchant(row: Row[Any]) -> Merchant:
    return Merchant(
        id=row.id,
        partition=row.partition,
        name=row.name,
        status=MerchantStatus(row.status),
        admitted_at=row.admitted_at,
        identity=MerchantIdentity(**{name: getattr(row, name) for name in IDENTITY_COLUMNS}),
    )


def _api_key(row: Row[Any]) -> ApiKey:
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
    """Set a merchant's weight in the fair sharing of throughput."""
    if not insert_or_ignore(transaction, merchant_weights, merchant_id=merchant_id, weight=weight):
        transaction.execute(
            update(merchant_weights)
            .where(merchant_weights.c.merchant_id == merchant_id)
            .values(weight=weight)
        )
