"""The page of a list, as a query: in the order of a time and of the row id."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, and_, or_

from consent_tokens.listing import ListFilter


def page(
    query: Select[Any],
    table: Table,
    time: str,
    wanted: ListFilter,
    id_of: Callable[[int], int | str] = int,
) -> Select[Any]:
    """Return a query for the wanted page; `time` is the column by which the list is ordered.

    `id_of` returns the id of a row from its number; in the order of their numbers.
    """
    created, row_id = table.c[time], table.c.id
    if wanted.created_from is not None:
        query = query.where(created >= wanted.created_from)
    if wanted.created_before is not None:
        query = query.where(created < wanted.created_before)
    if wanted.is_newest_first:
        if wanted.after is not None:
            at, number = wanted.after
            query = query.where(
                created <= at,  # so that an index on it gives the range
                or_(created < at, and_(created == at, row_id < id_of(number))),
            )
        return query.order_by(created.desc(), row_id.desc()).limit(wanted.limit)
    if wanted.after is not None:
        at, number = wanted.after
        query = query.where(
            created >= at,  # likewise
            or_(created > at, and_(created == at, row_id > id_of(number))),
        )
    return query.order_by(created, row_id).limit(wanted.limit)


def status_at(
    status: Column[Any],
    ends_at: Column[Any],
    wanted: str,
    now: datetime,
    *,
    open_statuses: frozenset[str],
    expired: str,
) -> ColumnElement[bool]:
    """Return the condition that a row has a status at `now`.

    Past `ends_at` an open status is `expired`, also if that is not recorded yet.
    """
    if wanted in open_statuses:
        return and_(status == wanted, ends_at > now)
    if wanted == expired:
        return or_(status == expired, and_(status.in_(open_statuses), ends_at <= now))
    return status == wanted
