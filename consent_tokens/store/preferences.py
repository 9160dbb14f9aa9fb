"""Questions about recipients' wishes."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Row, delete, select, update

from consent_tokens.clock import utc_from_epoch
from consent_tokens.consent.preferences import Preferences, QuietHours, QuietPeriod
from consent_tokens.store.bulk import RowSet
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.tables import preferences as table

COLUMNS: Final = tuple(column.name for column in table.c)


def lock(transaction: Transaction, partitions: Collection[int]) -> Mapping[int, Preferences]:
    """Return the wishes of these recipients, held until the transaction ends.

    Asked after their grants are held: whoever changes wishes holds all grants of the home, so what
    is read here stands for as long as those are held. One without wishes is not in the answer.
    """
    rows = RowSet({"partition": "bigint"}, [(partition,) for partition in sorted(set(partitions))])
    return {
        row.partition: _from_seconds(row)
        for row in rows.lock_rows(transaction, "preferences", COLUMNS)
    }


def find(transaction: Transaction, partition: int) -> Preferences:
    """Return a recipient's wishes."""
    row = transaction.execute(select(table).where(table.c.partition == partition)).one_or_none()
    return _wishes(row, row.quiet_from, row.quiet_until) if row else Preferences()


def save(
    transaction: Transaction, partition: int, preferences: Preferences, timezone: ZoneInfo
) -> None:
    """Keep a recipient's wishes; `zone` is whose clock their rest goes by."""
    if preferences == Preferences():
        delete_of_recipient(transaction, partition)
        return
    calm, rest = preferences.quiet_period, preferences.quiet_hours
    values: dict[str, Any] = {
        "quiet_from": calm.begins if calm else None,
        "quiet_until": calm.ends if calm else None,
        "daily_limit": preferences.daily_limit,
        "weekly_limit": preferences.weekly_limit,
        "quiet_hours_from": rest.begins if rest else None,
        "quiet_hours_until": rest.ends if rest else None,
        "timezone": (rest.timezone if rest else timezone).key,
        "no_invitations": int(preferences.no_invitations),
    }
    if not insert_or_ignore(transaction, table, partition=partition, **values):
        transaction.execute(update(table).where(table.c.partition == partition).values(**values))


def delete_of_recipient(transaction: Transaction, partition: int) -> None:
    """Delete all preferences of a recipient."""
    transaction.execute(delete(table).where(table.c.partition == partition))


def delete_past_quiet_periods(transaction: Transaction, now: datetime) -> list[int]:
    """Forget calm times that are over, and wishes of which nothing is left; return whose."""
    rows = transaction.execute(
        update(table)
        .where(table.c.quiet_until <= now)
        .values(quiet_from=None, quiet_until=None)
        .returning(table.c.partition)
    )
    partitions = [row.partition for row in rows]
    for partition in partitions:
        if find(transaction, partition) == Preferences():
            delete_of_recipient(transaction, partition)
    return partitions


def _from_seconds(row: Row[Any]) -> Preferences:
    """Return the wishes in a row of bare SQL, in which moments are seconds."""
    begins, ends = (
        None if value is None else utc_from_epoch(value)
        for value in (row.quiet_from, row.quiet_until)
    )
    return _wishes(row, begins, ends)


def _wishes(row: Row[Any], calm_from: datetime | None, calm_until: datetime | None) -> Preferences:
    rest = None
    if row.quiet_hours_from is not None and row.quiet_hours_until is not None:
        rest = QuietHours(row.quiet_hours_from, row.quiet_hours_until, ZoneInfo(row.timezone))
    return Preferences(
        quiet_period=QuietPeriod(calm_from, calm_until) if calm_from and calm_until else None,
        daily_limit=row.daily_limit,
        weekly_limit=row.weekly_limit,
        quiet_hours=rest,
        no_invitations=bool(row.no_invitations),
    )
