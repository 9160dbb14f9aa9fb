"""Questions about recipients' wishes."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Row, delete, select, update

from consent_tokens.clock import moment
from consent_tokens.consent.preferences import Calm, Rest, Wishes
from consent_tokens.store.database import Asked, Transaction, insert_or_ignore
from consent_tokens.store.tables import wishes as table

COLUMNS: Final = tuple(column.name for column in table.c)


def lock(transaction: Transaction, homes: Collection[int]) -> Mapping[int, Wishes]:
    """Return the wishes of these recipients, held until the transaction ends.

    Asked after their grants are held: whoever changes wishes holds all grants of the home, so what
    is read here stands for as long as those are held. One without wishes is not in the answer.
    """
    rows = Asked({"home": "bigint"}, [(home,) for home in sorted(set(homes))])
    return {row.home: _from_seconds(row) for row in rows.hold(transaction, "wishes", COLUMNS)}


def find(transaction: Transaction, home: int) -> Wishes:
    """Return a recipient's wishes."""
    row = transaction.execute(select(table).where(table.c.home == home)).one_or_none()
    return _wishes(row, row.calm_from, row.calm_until) if row else Wishes()


def put(transaction: Transaction, home: int, wished: Wishes, zone: ZoneInfo) -> None:
    """Keep a recipient's wishes; `zone` is whose clock their rest goes by."""
    if wished == Wishes():
        transaction.execute(delete(table).where(table.c.home == home))
        return
    calm, rest = wished.calm, wished.rest
    values: dict[str, Any] = {
        "calm_from": calm.begins if calm else None,
        "calm_until": calm.ends if calm else None,
        "day_limit": wished.a_day,
        "week_limit": wished.a_week,
        "rest_from": rest.begins if rest else None,
        "rest_until": rest.ends if rest else None,
        "zone": (rest.zone if rest else zone).key,
        "no_invitations": int(wished.no_invitations),
    }
    if not insert_or_ignore(transaction, table, home=home, **values):
        transaction.execute(update(table).where(table.c.home == home).values(**values))


def drop_past_calm(transaction: Transaction, now: datetime) -> list[int]:
    """Forget calm times that are over, and wishes of which nothing is left; return whose."""
    rows = transaction.execute(
        update(table)
        .where(table.c.calm_until <= now)
        .values(calm_from=None, calm_until=None)
        .returning(table.c.home)
    )
    homes = [row.home for row in rows]
    for home in homes:
        if find(transaction, home) == Wishes():
            transaction.execute(delete(table).where(table.c.home == home))
    return homes


def _from_seconds(row: Row[Any]) -> Wishes:
    """Return the wishes in a row of bare SQL, in which moments are seconds."""
    begins, ends = (
        None if value is None else moment(value) for value in (row.calm_from, row.calm_until)
    )
    return _wishes(row, begins, ends)


def _wishes(row: Row[Any], calm_from: datetime | None, calm_until: datetime | None) -> Wishes:
    rest = None
    if row.rest_from is not None and row.rest_until is not None:
        rest = Rest(row.rest_from, row.rest_until, ZoneInfo(row.zone))
    return Wishes(
        calm=Calm(calm_from, calm_until) if calm_from and calm_until else None,
        a_day=row.day_limit,
        a_week=row.week_limit,
        rest=rest,
        no_invitations=bool(row.no_invitations),
    )
