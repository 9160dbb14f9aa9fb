"""Queries on operators: the people who decide on merchants, senders and templates."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, update

from consent_tokens.store.admission_tables import operators
from consent_tokens.store.database import Transaction, insert_or_ignore


class Role(StrEnum):
    """What an operator may do."""

    ADMIN = "admin"  # all that a reviewer may; adds operators, suspends and restores
    REVIEWER = "reviewer"  # decides on applications, senders and templates
    ANALYST = "analyst"  # reads; decides nothing
    AUDITOR = "auditor"  # reads, also who decided what; decides nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAccount:
    """A person who works for the operator of the service."""

    id: str
    name: str
    role: Role
    added_at: datetime
    disabled_at: datetime | None = None


def add(transaction: Transaction, account: OperatorAccount) -> bool:
    """Insert an operator; return False if one of that name exists."""
    return insert_or_ignore(
        transaction,
        operators,
        id=account.id,
        name=account.name,
        role=account.role,
        added_at=account.added_at,
    )


def list_all(transaction: Transaction) -> list[OperatorAccount]:
    """Return all operators, oldest first."""
    rows = transaction.execute(select(operators).order_by(operators.c.added_at, operators.c.id))
    return [_account(row) for row in rows]


def names(transaction: Transaction) -> dict[str, str]:
    """Return the names of all operators by id, disabled ones too."""
    return {each.id: each.name for each in list_all(transaction)}


def find_by_name(transaction: Transaction, name: str) -> OperatorAccount | None:
    """Return an operator, also a disabled one; None if there is none."""
    row = transaction.execute(select(operators).where(operators.c.name == name)).one_or_none()
    return _account(row) if row else None


def disabled_of(transaction: Transaction, operator_ids: Collection[str]) -> frozenset[str]:
    """Return which of these operators are disabled; ids of others are left out."""
    rows = transaction.execute(
        select(operators.c.id).where(
            operators.c.id.in_(operator_ids), operators.c.disabled_at.is_not(None)
        )
    )
    return frozenset(row.id for row in rows)


def find(transaction: Transaction, operator_id: str) -> OperatorAccount | None:
    """Return an operator, also a disabled one; None if there is none."""
    row = transaction.execute(select(operators).where(operators.c.id == operator_id)).one_or_none()
    return _account(row) if row else None


def set_role(transaction: Transaction, operator_id: str, role: Role) -> None:
    """Give an operator another role."""
    transaction.execute(update(operators).where(operators.c.id == operator_id).values(role=role))


def enable(transaction: Transaction, operator_id: str) -> None:
    """Enable an operator who was disabled."""
    transaction.execute(
        update(operators).where(operators.c.id == operator_id).values(disabled_at=None)
    )


def disable(transaction: Transaction, operator_id: str, at: datetime) -> bool:
    """Disable an operator; return whether there was one that was not disabled."""
    result = transaction.execute(
        update(operators)
        .where(operators.c.id == operator_id, operators.c.disabled_at.is_(None))
        .values(disabled_at=at)
    )
    return result.rowcount == 1


def _account(row: Row[Any]) -> OperatorAccount:
    return OperatorAccount(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        added_at=row.added_at,
        disabled_at=row.disabled_at,
    )
