"""Queries on signatures: the names before texts, each with one owner among its look-alikes."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, update

from consent_tokens.store.admission_tables import signatures as table
from consent_tokens.store.database import Transaction, insert_or_ignore


class SignatureStatus(StrEnum):
    """The status of a signature."""

    ADMITTED = "admitted"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature and its owner; `folded` is the same for all that look like it."""

    folded: str
    signature: str
    merchant_id: str
    source: str
    evidence: str | None
    status: SignatureStatus
    changed_at: datetime


def save(transaction: Transaction, signature: Signature) -> None:
    """Insert a signature, or replace the one that was there."""
    values = {
        "signature": signature.signature,
        "merchant_id": signature.merchant_id,
        "source": signature.source,
        "evidence": signature.evidence,
        "status": signature.status,
        "changed_at": signature.changed_at,
    }
    if not insert_or_ignore(transaction, table, folded=signature.folded, **values):
        transaction.execute(
            update(table).where(table.c.folded == signature.folded).values(**values)
        )


def find(transaction: Transaction, folded: str) -> Signature | None:
    """Return the signature that looks like this, also a revoked one; None if there is none."""
    row = transaction.execute(select(table).where(table.c.folded == folded)).one_or_none()
    return _signature(row) if row else None


def list_all(transaction: Transaction) -> dict[str, Signature]:
    """Return all signatures, by their folded form."""
    return {row.folded: _signature(row) for row in transaction.execute(select(table))}


def revoke(transaction: Transaction, folded: str, merchant_id: str, at: datetime) -> None:
    """Take a signature from its owner."""
    transaction.execute(
        update(table)
        .where(table.c.folded == folded, table.c.merchant_id == merchant_id)
        .values(status=SignatureStatus.REVOKED, changed_at=at)
    )


def _signature(row: Row[Any]) -> Signature:
    return Signature(
        folded=row.folded,
        signature=row.signature,
        merchant_id=row.merchant_id,
        source=row.source,
        evidence=row.evidence,
        status=SignatureStatus(row.status),
        changed_at=row.changed_at,
    )
