"""Queries on rollups: the counts of one subject in a period, and who had the most complaints."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Table, func, select

from consent_tokens.evidence.rollups import Measure
from consent_tokens.store.database import Transaction
from consent_tokens.store.rollup_tables import HAS_COMPLAINTS, daily_reasons, daily_rollups

MEASURES: Final = tuple(Measure)


class Days(NamedTuple):
    """A period of days of UTC, each since 1970; both are in it."""

    first: int
    last: int


class Key(NamedTuple):
    """What counts are of: a day and a purpose."""

    day: int
    purpose: str


def counts_of(
    transaction: Transaction, subject_id: str, days: Days
) -> Mapping[Key, Counter[Measure]]:
    """Return what was counted of a subject, by day and purpose, the first day first."""
    columns = [daily_rollups.c[each.value] for each in MEASURES]
    rows = transaction.execute(
        select(daily_rollups.c.day, daily_rollups.c.purpose, *columns)
        .where(daily_rollups.c.subject_id == subject_id, _is_in(daily_rollups, days))
        .order_by(daily_rollups.c.day, daily_rollups.c.purpose)
    )
    return {Key(row[0], row[1]): Counter(dict(zip(MEASURES, row[2:], strict=True))) for row in rows}


def reasons_of(
    transaction: Transaction, subject_id: str, days: Days
) -> Mapping[Measure, Mapping[str, int]]:
    """Return why texts of a subject were refused and consents lost, with numbers."""
    table = daily_reasons
    rows = transaction.execute(
        select(table.c.measure, table.c.reason, func.sum(table.c["count"]))
        .where(table.c.subject_id == subject_id, _is_in(table, days))
        .group_by(table.c.measure, table.c.reason)
    )
    found: dict[Measure, dict[str, int]] = {Measure.REFUSED: {}, Measure.LOST: {}}
    for measure, reason, count in rows:
        if count:
            found[Measure(measure)][reason] = int(count)
    return found


def most_complaints(transaction: Transaction, days: Days, limit: int) -> list[str]:
    """Return the merchants with the most complaints in a period, the most first."""
    complaints = func.sum(daily_rollups.c.complaints)
    rows = transaction.execute(
        select(daily_rollups.c.subject_id)
        .where(HAS_COMPLAINTS, _is_in(daily_rollups, days))
        .group_by(daily_rollups.c.subject_id)
        .order_by(complaints.desc(), daily_rollups.c.subject_id)
        .limit(limit)
    )
    return [row.subject_id for row in rows]


def busiest_day(transaction: Transaction, subject_id: str, before: int) -> int | None:
    """Return the day on which the most texts of a subject were sent, of those before a day."""
    table = daily_rollups
    day: int | None = transaction.scalar(
        select(table.c.day)
        .where(table.c.subject_id == subject_id, table.c.day < before)
        .group_by(table.c.day)
        .order_by(func.sum(table.c.sent).desc(), table.c.day.desc())
        .limit(1)
    )
    return day


def totals_of(
    transaction: Transaction, subject_ids: Collection[str], days: Days
) -> Mapping[str, Counter[Measure]]:
    """Return what was counted of each of a few subjects in a period."""
    columns = [func.sum(daily_rollups.c[each.value]) for each in MEASURES]
    rows = transaction.execute(
        select(daily_rollups.c.subject_id, *columns)
        .where(daily_rollups.c.subject_id.in_(subject_ids), _is_in(daily_rollups, days))
        .group_by(daily_rollups.c.subject_id)
    )
    return {
        row[0]: Counter({each: int(sum_) for each, sum_ in zip(MEASURES, row[1:], strict=True)})
        for row in rows
    }


def _is_in(table: Table, days: Days) -> ColumnElement[bool]:
    return table.c.day.between(days.first, days.last)
