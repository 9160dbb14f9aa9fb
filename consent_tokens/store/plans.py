"""Queries on the plans of merchants: what they say they will send, and what was accepted of it."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from msgspec.structs import asdict
from sqlalchemy import Row, Select, func, insert, or_, select, update

from consent_tokens.relay.plan import Plan
from consent_tokens.store.admission_tables import merchants
from consent_tokens.store.admission_tables import plans as table
from consent_tokens.store.database import Transaction

UNCHANGED = frozenset({"id", "merchant_id", "created_at", "accepted", "excess"})  # by a change


def add(transaction: Transaction, plan: Plan) -> None:
    """Insert a plan."""
    transaction.execute(insert(table).values(**asdict(plan)))


def save(transaction: Transaction, plan: Plan) -> None:
    """Save what its merchant can change of a plan."""
    values = {name: each for name, each in asdict(plan).items() if name not in UNCHANGED}
    transaction.execute(update(table).where(table.c.id == plan.id).values(**values))


def save_counts(transaction: Transaction, changed: Iterable[Plan]) -> None:
    """Save the counts of plans that are locked."""
    for plan in changed:
        transaction.execute(
            update(table)
            .where(table.c.id == plan.id)
            .values(accepted=plan.accepted, excess=plan.excess)
        )


def find(transaction: Transaction, plan_id: str) -> Plan | None:
    """Return a plan; None if there is none."""
    return _one(transaction, select(table).where(table.c.id == plan_id))


def lock(transaction: Transaction, plan_id: str) -> Plan | None:
    """Return a plan, locked until the transaction ends; None if there is none."""
    return _one(transaction, select(table).where(table.c.id == plan_id).with_for_update())


def _one(transaction: Transaction, query: Select[Any]) -> Plan | None:
    row = transaction.execute(query).one_or_none()
    return _from_row(row) if row else None


def of_merchant(transaction: Transaction, merchant_id: str) -> list[Plan]:
    """Return a merchant's plans, the oldest first, those that are over and withdrawn too."""
    query = select(table).where(table.c.merchant_id == merchant_id)
    rows = transaction.execute(query.order_by(table.c.created_at, table.c.id))
    return [_from_row(row) for row in rows]


def between(
    transaction: Transaction,
    first: datetime,
    last: datetime,
    merchant_ids: Collection[str] | None = None,
) -> list[Plan]:
    """Return the plans in force of any time from `first` to `last`, the first to start first.

    Those of all merchants, unless some are given.
    """
    query = select(table).where(
        table.c.ends_at > first, table.c.starts_at <= last, table.c.withdrawn_at.is_(None)
    )
    if merchant_ids is not None:
        query = query.where(table.c.merchant_id.in_(merchant_ids))
    rows = transaction.execute(query.order_by(table.c.starts_at, table.c.id))
    return [_from_row(row) for row in rows]


def count_open(transaction: Transaction, merchant_id: str, now: datetime) -> int:
    """Return how many of a merchant's plans are neither over nor withdrawn."""
    counted: int = transaction.execute(
        select(func.count())
        .select_from(table)
        .where(
            table.c.merchant_id == merchant_id,
            table.c.ends_at > now,
            table.c.withdrawn_at.is_(None),
        )
    ).scalar_one()
    return counted


def note_end(transaction: Transaction, merchant_id: str, ends_at: datetime) -> None:
    """Note at the merchant until when it has plans: a merchant without any is asked for none."""
    until = merchants.c.plans_until
    is_later = or_(until.is_(None), until < ends_at)
    transaction.execute(
        update(merchants).where(merchants.c.id == merchant_id, is_later).values(plans_until=ends_at)
    )


def _from_row(row: Row[Any]) -> Plan:
    return Plan(**row._asdict())
