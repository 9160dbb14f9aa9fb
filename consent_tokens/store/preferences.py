"""Queries on recipients' preferences."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, delete, select, update

from consent_tokens.clock import utc_from_epoch
from consent_tokens.consent.preferences import Preferences, quiet_hours_of
from consent_tokens.consent.quiet_periods import QuietPeriod, QuietPeriods, span_of
from consent_tokens.consent.timezones import Timezones, format_timezones
from consent_tokens.store.bulk import RowSet
from consent_tokens.store.database import Transaction, insert_or_ignore
from consent_tokens.store.round_trips import Asked
from consent_tokens.store.tables import preferences as table

COLUMNS: Final = tuple(column.name for column in table.c)


def lock(transaction: Transaction, partitions: Collection[int]) -> Asked[Mapping[int, Preferences]]:
    """Ask for the preferences of recipients by partition, locked until the transaction ends.

    Call it with their grants locked: a change of preferences locks all grants of the recipient, so
    that also the absence of a row stays true. Recipients without preferences are left out.
    """
    rows = RowSet({"partition": "bigint"}, [(partition,) for partition in sorted(set(partitions))])
    locked = rows.lock_rows(transaction, "preferences", COLUMNS)
    return lambda: {row.partition: _from_seconds(row) for row in locked()}


def find(transaction: Transaction, partition: int) -> Preferences:
    """Return a recipient's preferences; the defaults if none are stored."""
    row = transaction.execute(select(table).where(table.c.partition == partition)).one_or_none()
    return _preferences(row, row.quiet_from, row.quiet_until) if row else Preferences()


def save(
    transaction: Transaction, partition: int, preferences: Preferences, timezones: Timezones
) -> None:
    """Save a recipient's preferences; `timezones` are stored where they have no quiet hours."""
    if preferences == Preferences():
        delete_of_recipient(transaction, partition)
        return
    hours = preferences.quiet_hours
    values: dict[str, Any] = {
        **quiet_columns(preferences.quiet_periods),
        "daily_limit": preferences.daily_limit,
        "weekly_limit": preferences.weekly_limit,
        "quiet_hours_from": hours.begins if hours else None,
        "quiet_hours_until": hours.ends if hours else None,
        "timezone": format_timezones(hours.timezones if hours else timezones),
        "no_invitations": int(preferences.no_invitations),
    }
    if not insert_or_ignore(transaction, table, partition=partition, **values):
        transaction.execute(update(table).where(table.c.partition == partition).values(**values))


def quiet_columns(periods: QuietPeriods) -> dict[str, Any]:
    """Return the columns of a set of quiet periods.

    The version of the service before knows one: the span of all, in which it stays quiet.
    """
    span = span_of(periods) if periods else None
    seconds = [(int(each.begins.timestamp()), int(each.ends.timestamp())) for each in periods]
    is_several = len(periods) > 1
    return {
        "quiet_from": span.begins if span else None,
        "quiet_until": span.ends if span else None,
        "quiet_periods": " ".join(f"{a}-{b}" for a, b in seconds) if is_several else None,
        "quiet_first_end": min(each.ends for each in periods) if is_several else None,
    }


def quiet_periods_of(
    several: str | None, quiet_from: datetime | None, quiet_until: datetime | None
) -> QuietPeriods:
    """Return the quiet periods in the columns that `quiet_columns` wrote.

    If their span is another, the version before has changed it since, and the span counts.
    """
    if quiet_from is None or quiet_until is None:
        return ()
    span = QuietPeriod(quiet_from, quiet_until)
    pairs = [each.split("-") for each in (several or "").split()]
    periods = tuple(
        QuietPeriod(utc_from_epoch(int(begins)), utc_from_epoch(int(ends)))
        for begins, ends in pairs
    )
    return periods if periods and span_of(periods) == span else (span,)


def delete_of_recipient(transaction: Transaction, partition: int) -> None:
    """Delete all preferences of a recipient."""
    transaction.execute(delete(table).where(table.c.partition == partition))


def _from_seconds(row: Row[Any]) -> Preferences:
    """Return the preferences in a driver's row, in which times are seconds."""
    begins, ends = (
        None if value is None else utc_from_epoch(value)
        for value in (row.quiet_from, row.quiet_until)
    )
    return _preferences(row, begins, ends)


def _preferences(
    row: Row[Any], quiet_from: datetime | None, quiet_until: datetime | None
) -> Preferences:
    quiet_hours = None
    if row.quiet_hours_from is not None and row.quiet_hours_until is not None:
        quiet_hours = quiet_hours_of(row.quiet_hours_from, row.quiet_hours_until, row.timezone)
    return Preferences(
        quiet_periods=quiet_periods_of(row.quiet_periods, quiet_from, quiet_until),
        daily_limit=row.daily_limit,
        weekly_limit=row.weekly_limit,
        quiet_hours=quiet_hours,
        no_invitations=bool(row.no_invitations),
    )
