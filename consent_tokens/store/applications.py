"""Queries on what merchants told about themselves when they applied, and on their documents."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.store.admission_tables import merchant_applications as table
from consent_tokens.store.admission_tables import merchant_documents as documents
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.purpose_classes import read_classes, write_classes


class ApplicationStatus(StrEnum):
    """The status of an application."""

    SUBMITTED = "submitted"
    RETURNED = "returned"  # for the merchant to mend
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a merchant asks for; who it is stands in its identity."""

    merchant_id: str
    status: ApplicationStatus
    classes: frozenset[PurposeClass]
    country: str  # ISO 3166-1 alpha-2
    legal_person: str | None
    licences: str | None
    wanted_use: str | None
    submitted_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document of an application; `content` is a sealed envelope."""

    id: str
    merchant_id: str
    name: str
    content_type: str
    digest: bytes  # SHA-256 of what is sealed
    content: bytes
    added_at: datetime


def save(transaction: Transaction, application: Application) -> None:
    """Insert an application, or replace the one that the merchant made before."""
    values = {
        "status": application.status,
        "classes": write_classes(application.classes),
        "country": application.country,
        "legal_person": application.legal_person,
        "licences": application.licences,
        "wanted_use": application.wanted_use,
        "submitted_at": application.submitted_at,
        "decided_at": application.decided_at,
        "decided_by": application.decided_by,
        "reason": application.reason,
    }
    key = application.merchant_id
    if not insert_or_ignore(transaction, table, merchant_id=key, **values):
        transaction.execute(update(table).where(table.c.merchant_id == key).values(**values))


def find(transaction: Transaction, merchant_id: str) -> Application | None:
    """Return a merchant's application; None if it made none."""
    row = transaction.execute(select(table).where(table.c.merchant_id == merchant_id)).one_or_none()
    return _application(row) if row else None


def list_all(transaction: Transaction) -> dict[str, Application]:
    """Return all applications, by merchant id."""
    return {row.merchant_id: _application(row) for row in transaction.execute(select(table))}


def add_document(transaction: Transaction, document: Document) -> None:
    """Insert a document."""
    transaction.execute(
        insert(documents).values(
            id=document.id,
            merchant_id=document.merchant_id,
            name=document.name,
            content_type=document.content_type,
            digest=document.digest,
            content=document.content,
            added_at=document.added_at,
        )
    )


def count_documents(transaction: Transaction, merchant_id: str) -> int:
    """Return how many documents a merchant has."""
    return transaction.execute(
        select(func.count()).select_from(documents).where(documents.c.merchant_id == merchant_id)
    ).scalar_one()


def documents_of(transaction: Transaction, merchant_id: str) -> list[Document]:
    """Return a merchant's documents, oldest first, without their content."""
    columns = [each for each in documents.c if each is not documents.c.content]
    rows = transaction.execute(
        select(*columns)
        .where(documents.c.merchant_id == merchant_id)
        .order_by(documents.c.added_at, documents.c.id)
    )
    return [_document(row, b"") for row in rows]


def find_document(transaction: Transaction, document_id: str) -> Document | None:
    """Return a document with its sealed content; None if there is none."""
    row = transaction.execute(select(documents).where(documents.c.id == document_id)).one_or_none()
    return _document(row, bytes(row.content)) if row else None


def delete_documents(transaction: Transaction, merchant_id: str) -> None:
    """Delete a merchant's documents."""
    transaction.execute(delete(documents).where(documents.c.merchant_id == merchant_id))


def _application(row: Row[Any]) -> Application:
    return Application(
        merchant_id=row.merchant_id,
        status=ApplicationStatus(row.status),
        classes=read_classes(row.classes),
        country=row.country,
        legal_person=row.legal_person,
        licences=row.licences,
        wanted_use=row.wanted_use,
        submitted_at=row.submitted_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        reason=row.reason,
    )


def _document(row: Row[Any], content: bytes) -> Document:
    return Document(
        id=row.id,
        merchant_id=row.merchant_id,
        name=row.name,
        content_type=row.content_type,
        digest=bytes(row.digest),
        content=content,
        added_at=row.added_at,
    )
