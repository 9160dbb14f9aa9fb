"""Queries on the plans of merchants: what they say they will send, and what was accepted of it."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Final

from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Row, and_, func, insert, select, update

from consent_tokens.listing import ListFilter
from consent_tokens.relay.plan import Plan, PlanStatus
from consent_tokens.store.admission_tables import merchants
from consent_tokens.store.admission_tables import plans as table
from consent_tokens.store.database import Transaction
from consent_tokens.store.listing import page

ID_PREFIX: Final = "plan_"
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
    row = transaction.execute(select(table).where(table.c.id == plan_id)).one_or_none()
    return from_row(row) if row else None


def lock(transaction: Transaction, plan_ids: Collection[str]) -> list[Plan]:
    """Return the plans that there are of these, locked until the transaction ends.

    They are locked in the order of their ids, so that two transactions do not deadlock.
    """
    query = select(table).where(table.c.id.in_(plan_ids)).order_by(table.c.id).with_for_update()
    return [from_row(row) for row in transaction.execute(query)]


def of_merchant(
    transaction: Transaction, merchant_id: str, wanted: ListFilter, now: datetime
) -> list[Plan]:
    """Return a page of a merchant's plans, the oldest first."""
    query = select(table).where(table.c.merchant_id == merchant_id)
    if wanted.status is not None:
        query = query.where(_has_status(PlanStatus(wanted.status), now))
    if wanted.reference is not None:
        query = query.where(table.c.reference == wanted.reference)
    rows = transaction.execute(page(query, table, "created_at", wanted, id_of))
    return [from_row(row) for row in rows]


def _has_status(status: PlanStatus, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a plan stands so, as `Plan.status_at` does."""
    if status is PlanStatus.WITHDRAWN:
        return table.c.withdrawn_at.is_not(None)
    times = {
        PlanStatus.UPCOMING: table.c.starts_at > now,
        PlanStatus.CURRENT: and_(table.c.starts_at <= now, table.c.ends_at > now),
        PlanStatus.OVER: table.c.ends_at <= now,
    }
    return and_(table.c.withdrawn_at.is_(None), times[status])


def id_of(number: int) -> str:
    """Return the id of a plan from its 64-bit number."""
    return f"{ID_PREFIX}{number:016x}"


def number_of(plan_id: str) -> int:
    """Return the 64-bit number that a plan's id is."""
    return int(plan_id.removeprefix(ID_PREFIX), 16)


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
    return [from_row(row) for row in rows]


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


def lock_merchant(transaction: Transaction, merchant_id: str) -> None:
    """Lock a merchant, so that its plans are stated, changed and withdrawn one at a time."""
    is_merchant = merchants.c.id == merchant_id
    transaction.execute(select(merchants.c.id).where(is_merchant).with_for_update(key_share=True))


def note_end(transaction: Transaction, merchant_id: str) -> None:
    """Note at the merchant until when it has plans, so that none are read of one without any.

    The caller has locked the merchant.
    """
    last = select(func.max(table.c.ends_at)).where(
        table.c.merchant_id == merchant_id, table.c.withdrawn_at.is_(None)
    )
    until = transaction.execute(last).scalar_one()
    transaction.execute(
        update(merchants).where(merchants.c.id == merchant_id).values(plans_until=until)
    )


def from_row(row: Row[Any]) -> Plan:
    """Return the plan in a row."""
    return Plan(**row._asdict())
