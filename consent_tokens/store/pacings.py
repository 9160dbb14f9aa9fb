"""Queries on pacings: how new templates stand, and how many unproven texts a group has left."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import asdict
from sqlalchemy import Row, and_, delete, func, select, update

from consent_tokens.clock import utc_from_epoch
from consent_tokens.relay.pacing import (
    CLEAN_PERIOD,
    PROVEN_TEMPLATES,
    Pacing,
    PacingKind,
    PacingStatus,
    Reactions,
)
from consent_tokens.relay.templates.template import TemplateStatus
from consent_tokens.store.admission_tables import pacings as table
from consent_tokens.store.admission_tables import templates, unproven_texts
from consent_tokens.store.bulk import RowSet
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.templates import ID_PREFIX as TEMPLATE_ID_PREFIX

REACTIONS: Final = ("people", "stops", "complainants")


def add(transaction: Transaction, pacing: Pacing) -> None:
    """Insert a pacing, unless there is one of its subject and version."""
    insert_or_ignore(transaction, table, **_values(pacing))


OF_SUBJECTS: Final = "SELECT p.* FROM {input} JOIN pacings p ON p.subject_id = input.subject_id"
TIMES: Final = (
    "created_at", "active_until", "changed_at", "checked_at", "left_at", "held_at", "waiting_since",
)  # fmt: skip


def of_subjects(transaction: Transaction, subject_ids: Collection[str]) -> list[Pacing]:
    """Return the pacings of templates and senders; most have none.

    Asked whenever templates are named: a third of what it costs with SQLAlchemy.
    """
    ids = RowSet({"subject_id": "text"}, [(each,) for each in sorted(set(subject_ids))])
    return [_pacing(_with_times(row)) for row in ids.run(transaction, OF_SUBJECTS)]


def _with_times(row: Any) -> Any:  # noqa: ANN401 - a row of the driver
    """Return a row with times in place of seconds."""
    seconds = {name: getattr(row, name) for name in TIMES}
    times = {name: None if at is None else utc_from_epoch(at) for name, at in seconds.items()}
    return row._replace(**times)


def lock(transaction: Transaction, subject_id: str, version: int) -> Pacing | None:
    """Return a pacing, locked until the transaction ends; None if there is none."""
    row = transaction.execute(
        select(table)
        .where(table.c.subject_id == subject_id, table.c.version == version)
        .with_for_update()
    ).one_or_none()
    return _pacing(row) if row else None


def save(transaction: Transaction, pacing: Pacing) -> None:
    """Save what changes in a pacing; the caller has locked it."""
    values = _values(pacing)
    # even if it stays the same: Citus refuses to set the distribution column
    del values["subject_id"]
    transaction.execute(
        update(table)
        .where(table.c.subject_id == pacing.subject_id, table.c.version == pacing.version)
        .values(**values)
    )


def take(transaction: Transaction, pacing: Pacing, texts: int, active_until: datetime) -> None:
    """Take places of a pacing's parts; the caller has locked it, and taken no more than there are.

    Until `active_until` it is looked at.
    """
    transaction.execute(
        update(table)
        .where(table.c.subject_id == pacing.subject_id, table.c.version == pacing.version)
        .values(taken=table.c.taken + texts, active_until=active_until)
    )


def keep_active(transaction: Transaction, pacing: Pacing, active_until: datetime) -> None:
    """Have a pacing looked at until then: messages are held back for it."""
    transaction.execute(
        update(table)
        .where(table.c.subject_id == pacing.subject_id, table.c.version == pacing.version)
        .where(table.c.active_until < active_until)
        .values(active_until=active_until)
    )


def due(transaction: Transaction, now: datetime, checked_before: datetime) -> list[Pacing]:
    """Return the pacings to be looked at: with texts lately, and not looked at since then."""
    rows = transaction.execute(
        select(table)
        .where(table.c.active_until > now, table.c.checked_at <= checked_before)
        .order_by(table.c.subject_id, table.c.version)
    )
    return [_pacing(row) for row in rows]


def list_unproven(transaction: Transaction, merchant_id: str | None, limit: int) -> list[Pacing]:
    """Return pacings that are not proven, of one merchant or all; those held first."""
    query = select(table).where(table.c.status != PacingStatus.PROVEN)
    if merchant_id is not None:
        query = query.where(table.c.merchant_id == merchant_id)
    rows = transaction.execute(
        query.order_by(
            table.c.waiting_since.is_(None), table.c.held_at.is_(None), table.c.created_at.desc()
        ).limit(limit)
    )
    return [_pacing(row) for row in rows]


def count_waiting(transaction: Transaction) -> int:
    """Return how many pacings wait for a person's decision."""
    query = select(func.count()).select_from(table).where(table.c.waiting_since.is_not(None))
    return transaction.execute(query).scalar_one()


def delete_before(transaction: Transaction, subject_id: str, version: int) -> None:
    """Delete the pacings of a sender's free texts of the days before one."""
    transaction.execute(
        delete(table).where(table.c.subject_id == subject_id, table.c.version < version)
    )


def stop_rates(
    transaction: Transaction, since: datetime, *, but: Sequence[str], min_people: int
) -> list[tuple[str, float]]:
    """Return merchants with the share of people who stopped them, by each pacing begun since then.

    Without the merchants of `but`, and without pacings of few people.
    """
    rows = transaction.execute(
        select(table.c.merchant_id, table.c.stops, table.c.people).where(
            table.c.created_at > since,
            table.c.people >= min_people,
            table.c.merchant_id.not_in(but),
        )
    )
    return [(row.merchant_id, row.stops / row.people) for row in rows]


def has_clean_record(transaction: Transaction, merchant_ids: Sequence[str], now: datetime) -> bool:
    """Whether a control group has PROVEN_TEMPLATES, and none dropped or withdrawn lately."""
    since = now - CLEAN_PERIOD
    of_group = table.c.merchant_id.in_(merchant_ids)
    finished = select(func.count()).where(
        of_group,
        table.c.status == PacingStatus.PROVEN,
        table.c.subject_id.startswith(TEMPLATE_ID_PREFIX),
    )
    if transaction.execute(finished).scalar_one() < PROVEN_TEMPLATES:
        return False
    dropped = select(table.c.subject_id).where(
        of_group, table.c.status == PacingStatus.DROPPED, table.c.changed_at > since
    )
    is_dropped = transaction.execute(dropped.limit(1)).first() is not None
    return not is_dropped and not was_withdrawn_since(transaction, merchant_ids, since)


def was_withdrawn_since(
    transaction: Transaction, merchant_ids: Sequence[str], since: datetime
) -> bool:
    """Whether a template of these merchants was withdrawn since then."""
    query = select(templates.c.id).where(
        templates.c.merchant_id.in_(merchant_ids),
        templates.c.status == TemplateStatus.WITHDRAWN,
        templates.c.decided_at > since,
    )
    return transaction.execute(query.limit(1)).first() is not None


# --- what a control group has for unproven texts --------------------------------------------------


def lock_unproven(transaction: Transaction, group_id: str, day: int) -> int:
    """Return how many unproven texts a group had on a day, locked until the transaction ends.

    Of another process whose clock is ahead, the later day counts.
    """
    query = select(unproven_texts).where(unproven_texts.c.group_id == group_id).with_for_update()
    row = transaction.execute(query).one_or_none()
    if row is None:
        insert_or_ignore(transaction, unproven_texts, group_id=group_id, day=day, texts=0)
        row = transaction.execute(query).one()
    return int(row.texts) if row.day >= day else 0


def count_unproven(transaction: Transaction, group_id: str, day: int, texts: int) -> None:
    """Count unproven texts of a day; the caller has locked the row."""
    is_later = and_(unproven_texts.c.group_id == group_id, unproven_texts.c.day < day)
    transaction.execute(update(unproven_texts).where(is_later).values(day=day, texts=0))
    transaction.execute(
        update(unproven_texts)
        .where(unproven_texts.c.group_id == group_id)
        .values(texts=unproven_texts.c.texts + texts)
    )


def _values(pacing: Pacing) -> dict[str, Any]:
    values = asdict(pacing)
    seen: Reactions = values.pop("seen")
    accepted: Reactions = values.pop("accepted")
    for name in REACTIONS:
        values[name] = getattr(seen, name)
        values[f"accepted_{name}"] = getattr(accepted, name)
    return values | {"is_budgeted": int(pacing.is_budgeted)}


def _pacing(row: Row[Any]) -> Pacing:
    return Pacing(
        subject_id=row.subject_id,
        version=row.version,
        merchant_id=row.merchant_id,
        kind=PacingKind(row.kind),
        is_budgeted=bool(row.is_budgeted),
        status=PacingStatus(row.status),
        stage=row.stage,
        taken=row.taken,
        created_at=row.created_at,
        active_until=row.active_until,
        changed_at=row.changed_at,
        checked_at=row.checked_at,
        left_at=row.left_at,
        held_at=row.held_at,
        waiting_since=row.waiting_since,
        seen=Reactions(row.people, row.stops, row.complainants),
        held=row.held,
        accepted=Reactions(row.accepted_people, row.accepted_stops, row.accepted_complainants),
    )
