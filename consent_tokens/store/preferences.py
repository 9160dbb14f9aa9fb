"""Questions about recipients' wishes."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Row, delete, select, update

from consent_tokens.clock import utc_from_epoch
from consent_tokens.consent.preferences import Preferences, QuietHours, QuietPeriod
from consent_tokens.store.database import RowSet, Transaction, insert_or_ignore
from consent_tokens.store.tables import wishes as table

COLUMNS: Final = tuple(column.name for column in table.c)


def lock(transaction: Transaction, homes: Collection[int]) -> Mapping[int, Preferences]:
    """Return the wishes of these recipients, held until the transaction ends.

    Asked after their grants are held: whoever changes wishes holds all grants of the home, so what
    is read here stands for as long as those are held. One without wishes is not in the answer.
    """
    rows = RowSet({"home": "bigint"}, [(home,) for home in sorted(set(homes))])
    return {row.home: _from_seconds(row) for row in rows.lock_rows(transaction, "wishes", COLUMNS)}


def find(transaction: Transaction, home: int) -> Preferences:
    """Return a recipient's wishes."""
    row = transaction.execute(select(table).where(table.c.home == home)).one_or_none()
    return _wishes(row, row.calm_from, row.calm_until) if row else Preferences()


def save(transaction: Transaction, home: int, wished: Preferences, zone: ZoneInfo) -> None:
    """Keep a recipient's wishes; `zone` is whose clock their rest goes by."""
    if wished == Preferences():
        transaction.execute(delete(table).where(table.c.home == home))
        return
    calm, rest = wished.quiet_period, wished.quiet_hours
    values: dict[str, Any] = {
        "calm_from": calm.begins if calm else None,
        "calm_until": calm.ends if calm else None,
        "day_limit": wished.daily_limit,
        "week_limit": wished.weekly_limit,
        "rest_from": rest.begins if rest else None,
        "rest_until": rest.ends if rest else None,
        "zone": (rest.timezone if rest else zone).key,
        "no_invitations": int(wished.no_invitations),
    }
    if not insert_or_ignore(transaction, table, home=home, **values):
        transaction.execute(update(table).where(table.c.home == home).values(**values))


def delete_past_quiet_periods(transaction: Transaction, now: datetime) -> list[int]:
    """Forget calm times that are over, and wishes of which nothing is left; return whose."""
    rows = transaction.execute(
        update(table)
        .where(table.c.calm_until <= now)
        .values(calm_from=None, calm_until=None)
        .returning(table.c.home)
    )
    homes = [row.home for row in rows]
    for home in homes:
        if find(transaction, home) == Preferences():
            transaction.execute(delete(table).where(table.c.home == home))
    return homes


def _from_seconds(row: Row[Any]) -> Preferences:
    """Return the wishes in a row of bare SQL, in which moments are seconds."""
    begins, ends = (
        None if value is None else utc_from_epoch(value)
        for value in (row.calm_from, row.calm_until)
    )
    return _wishes(row, begins, ends)


def _wishes(row: Row[Any], calm_from: datetime | None, calm_until: datetime | None) -> Preferences:
    rest = None
    if row.rest_from is not None and row.rest_until is not None:
        rest = QuietHours(row.rest_from, row.rest_until, ZoneInfo(row.zone))
    return Preferences(
        quiet_period=QuietPeriod(calm_from, calm_until) if calm_from and calm_until else None,
        daily_limit=row.day_limit,
        weekly_limit=row.week_limit,
        quiet_hours=rest,
        no_invitations=bool(row.no_invitations),
    )
