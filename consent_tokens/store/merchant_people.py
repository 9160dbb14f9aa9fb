"""Queries on the people of merchants, who sign in to the merchant console."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, insert, select, update

from consent_tokens.store.console_tables import merchant_people as table
from consent_tokens.store.database import Transaction


class MerchantRole(StrEnum):
    """What a person of a merchant may do in the merchant console."""

    OWNER = "owner"  # all that the others may; invites people
    DEVELOPER = "developer"  # API keys, webhooks, senders
    MARKETER = "marketer"  # consent requests, campaigns, templates
    VIEWER = "viewer"  # reads


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantPerson:
    """A person who works for a merchant."""

    id: str
    merchant_id: str
    name: str
    role: MerchantRole
    added_at: datetime
    disabled_at: datetime | None = None


def add(transaction: Transaction, person: MerchantPerson) -> None:
    """Insert a person."""
    transaction.execute(
        insert(table).values(
            id=person.id,
            merchant_id=person.merchant_id,
            name=person.name,
            role=person.role,
            added_at=person.added_at,
        )
    )


def find(transaction: Transaction, person_id: str) -> MerchantPerson | None:
    """Return a person, also a disabled one; None if there is none."""
    row = transaction.execute(select(table).where(table.c.id == person_id)).one_or_none()
    return _person(row) if row else None


def of_merchant(transaction: Transaction, merchant_id: str) -> list[MerchantPerson]:
    """Return the people of a merchant, oldest first."""
    query = select(table).where(table.c.merchant_id == merchant_id)
    rows = transaction.execute(query.order_by(table.c.added_at, table.c.id))
    return [_person(row) for row in rows]


def set_role(transaction: Transaction, person_id: str, role: MerchantRole) -> None:
    """Give a person another role."""
    transaction.execute(update(table).where(table.c.id == person_id).values(role=role))


def set_disabled(transaction: Transaction, person_id: str, at: datetime | None) -> None:
    """Disable a person from a time on, or no more."""
    transaction.execute(update(table).where(table.c.id == person_id).values(disabled_at=at))


def _person(row: Row[Any]) -> MerchantPerson:
    return MerchantPerson(
        id=row.id,
        merchant_id=row.merchant_id,
        name=row.name,
        role=MerchantRole(row.role),
        added_at=row.added_at,
        disabled_at=row.disabled_at,
    )
