"""Queries on grants, their notices, their changes and the ends of their pauses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Row, delete, insert, select, tuple_, update

from consent_tokens.clock import utc_from_epoch
from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.notice import Notice
from consent_tokens.consent.scope import Scope, frequency_cap_of, purposes_of, send_window_of
from consent_tokens.consent.timezones import Timezones, parse_timezones
from consent_tokens.listing import ListFilter
from consent_tokens.row_key import RowKey
from consent_tokens.store.bulk import ROW_KEY_COLUMNS, RowSet
from consent_tokens.store.database import Transaction
from consent_tokens.store.listing import page, status_at
from consent_tokens.store.tables import consent_requests, grant_changes, grants, notices, pauses


class LockedGrant(Struct, frozen=True):
    """A grant, locked until the transaction ends; `wrapped_key` is None once it has ended."""

    grant: Grant
    wrapped_key: bytes | None


# the MAC of the newest token is not among them: it proves a token before the grant is locked
COLUMNS: Final = tuple(column.name for column in grants.c if column is not grants.c.token_mac)
# a look-up in a dict is faster than calling the enumeration
STATUSES: Final = {status.value: status for status in GrantStatus}


def lock(transaction: Transaction, keys: Sequence[RowKey]) -> Mapping[RowKey, LockedGrant]:
    """Return grants by their keys, locked until the transaction ends.

    Rows are locked in the order of their keys, so that two batches do not deadlock.
    """
    rows = RowSet(ROW_KEY_COLUMNS, sorted(set(keys))).lock_rows(transaction, "grants", COLUMNS)
    locked = [_locked_grant(*row) for row in rows()]
    return {each.grant.key: each for each in locked}


def lock_one(transaction: Transaction, key: RowKey) -> LockedGrant | None:
    """Return a grant by its key, locked until the transaction ends; None if there is none."""
    return lock(transaction, [key]).get(key)


def find(transaction: Transaction, key: RowKey) -> Grant | None:
    """Return a grant by its key; None if there is none."""
    row = transaction.execute(
        select(grants).where(grants.c.partition == key.partition, grants.c.id == key.id)
    ).one_or_none()
    return _grant(row) if row else None


def has_live(transaction: Transaction) -> bool:
    """Whether any grant still has its key."""
    found = transaction.execute(
        select(grants.c.id).where(grants.c.wrapped_key.is_not(None)).limit(1)
    )
    return found.first() is not None


def of_recipient(transaction: Transaction, partition: int) -> list[Grant]:
    """Return all grants of a recipient, live or ended, newest first."""
    rows = transaction.execute(
        select(grants)
        .where(grants.c.partition == partition)
        .order_by(grants.c.granted_at.desc(), grants.c.id)
    )
    return [_grant(row) for row in rows]


def of_recipient_to_merchant(
    transaction: Transaction, partition: int, merchant_id: str
) -> list[Grant]:
    """Return all grants of a recipient to one merchant, live or ended, newest first."""
    found = of_recipient(transaction, partition)
    return [grant for grant in found if grant.merchant_id == merchant_id]


def newest_timezones(transaction: Transaction, partition: int) -> Timezones | None:
    """Return the time zones of a recipient's newest grant; None if there is none."""
    names: str | None = transaction.scalar(
        select(grants.c.timezone)
        .where(grants.c.partition == partition)
        .order_by(grants.c.granted_at.desc(), grants.c.id)
        .limit(1)
    )
    return parse_timezones(names) if names else None


def of_merchant(
    transaction: Transaction, merchant_id: str, wanted: ListFilter, now: datetime
) -> list[Grant]:
    """Return a page of a merchant's grants, the oldest first."""
    query = select(grants).where(grants.c.merchant_id == merchant_id)
    if wanted.reference is not None:
        asked = select(consent_requests.c.grant_partition, consent_requests.c.grant_id).where(
            consent_requests.c.merchant_id == merchant_id,
            consent_requests.c.reference == wanted.reference,
        )
        query = query.where(tuple_(grants.c.partition, grants.c.id).in_(asked))
    if wanted.status is not None:
        query = query.where(
            status_at(
                grants.c.status,
                grants.c.ends_at,
                wanted.status,
                now,
                open_statuses=frozenset({GrantStatus.LIVE, GrantStatus.PAUSED}),
                expired=GrantStatus.EXPIRED,
            )
        )
    return [_grant(row) for row in transaction.execute(page(query, grants, "granted_at", wanted))]


def find_many(transaction: Transaction, keys: Sequence[RowKey]) -> dict[RowKey, Grant]:
    """Return grants by their keys; unknown keys are left out."""
    key = tuple_(grants.c.partition, grants.c.id)
    rows = transaction.execute(select(grants).where(key.in_([tuple(each) for each in keys])))
    return {RowKey(row.partition, row.id): _grant(row) for row in rows}


def past_expiry(transaction: Transaction, now: datetime, limit: int) -> list[RowKey]:
    """Return up to `limit` grants that are past their end and still have a key."""
    rows = transaction.execute(
        select(grants.c.partition, grants.c.id)
        .where(grants.c.ends_at <= now, grants.c.wrapped_key.is_not(None))
        .limit(limit)
    )
    return [RowKey(row.partition, row.id) for row in rows]


def add(
    transaction: Transaction, grant: Grant, *, wrapped_key: bytes, token_mac: bytes, notice: Notice
) -> None:
    """Insert a grant, its wrapped key, the MAC of its token, and the notice that was agreed to."""
    scope = grant.scope
    transaction.execute(
        insert(grants).values(
            partition=grant.key.partition,
            id=grant.key.id,
            merchant_id=grant.merchant_id,
            timezone=scope.send_window.timezone_names,
            **_columns(scope),
            language=grant.language,
            granted_at=grant.granted_at,
            status=grant.status,
            status_since=grant.status_since,
            wrapped_key=wrapped_key,
            token_mac=token_mac,
        )
    )
    transaction.execute(
        insert(notices).values(
            partition=grant.key.partition,
            id=grant.key.id,
            language=notice.language,
            text=notice.text,
            digest=notice.digest,
        )
    )


def notice_of(transaction: Transaction, key: RowKey) -> Notice | None:
    """Return the notice that the consumer of a grant agreed to; None if there is none."""
    row = transaction.execute(
        select(notices.c.language, notices.c.text).where(
            notices.c.partition == key.partition, notices.c.id == key.id
        )
    ).one_or_none()
    return Notice(row.language, row.text) if row else None


def notices_of(transaction: Transaction, partition: int) -> Mapping[int, Notice]:
    """Return the notices of all grants of a recipient, by grant id."""
    rows = transaction.execute(select(notices).where(notices.c.partition == partition))
    return {row.id: Notice(row.language, row.text) for row in rows}


def record_end(transaction: Transaction, ended: Grant) -> None:
    """Save the status of an ended grant; delete its key and MAC in one statement (promise 3)."""
    transaction.execute(
        update(grants)
        .where(grants.c.partition == ended.key.partition, grants.c.id == ended.key.id)
        .values(
            status=ended.status,
            status_since=ended.status_since,
            wrapped_key=None,
            token_mac=None,
        )
    )


def record_change(
    transaction: Transaction,
    before: Grant,
    after: Grant,
    *,
    amendment: str,
    key: RowKey,
    at: datetime,
) -> None:
    """Save the new status or scope of a live grant.

    Its terms until `at` are inserted into the history of changes, under `key`.
    """
    scope = after.scope
    transaction.execute(
        update(grants)
        .where(grants.c.partition == after.key.partition, grants.c.id == after.key.id)
        .values(status=after.status, status_since=after.status_since, **_columns(scope))
    )
    transaction.execute(
        insert(grant_changes).values(
            partition=before.key.partition,
            id=key.id,
            grant_id=before.key.id,
            changed_at=at,
            amendment=amendment,
            status=before.status,
            timezone=before.scope.send_window.timezone_names,
            **_columns(before.scope),
        )
    )


@dataclass(frozen=True, slots=True)
class GrantChange:
    """The terms of a grant until `changed_at`, and the amendment that changed them."""

    grant_key: RowKey
    changed_at: datetime
    amendment: str
    scope: Scope
    status: GrantStatus


def changes_of(transaction: Transaction, partition: int) -> list[GrantChange]:
    """Return the changes of a recipient's grants, oldest first."""
    rows = transaction.execute(
        select(grant_changes)
        .where(grant_changes.c.partition == partition)
        .order_by(grant_changes.c.changed_at, grant_changes.c.id)
    )
    return [_change(row) for row in rows]


def find_changes(transaction: Transaction, keys: Sequence[RowKey]) -> dict[RowKey, GrantChange]:
    """Return changes by their keys; unknown keys are left out."""
    key = tuple_(grant_changes.c.partition, grant_changes.c.id)
    rows = transaction.execute(select(grant_changes).where(key.in_([tuple(each) for each in keys])))
    return {RowKey(row.partition, row.id): _change(row) for row in rows}


def is_last_change(transaction: Transaction, key: RowKey, change: GrantChange) -> bool:
    """Whether a grant has not been changed since, nor by another change in the same second."""
    other = transaction.execute(
        select(grant_changes.c.id)
        .where(
            grant_changes.c.partition == key.partition,
            grant_changes.c.grant_id == change.grant_key.id,
            grant_changes.c.changed_at >= change.changed_at,
            grant_changes.c.id != key.id,
        )
        .limit(1)
    )
    return other.first() is None


def scope_at(transaction: Transaction, grant: Grant, at: datetime) -> Scope:
    """Return the scope that a grant had at a past time, from the history of its changes."""
    for change in changes_of(transaction, grant.key.partition):
        if change.grant_key.id == grant.key.id and change.changed_at > at:
            return change.scope
    return grant.scope


def set_pause_end(transaction: Transaction, key: RowKey, until: datetime | None) -> None:
    """Save until when a grant is paused; None: until its consumer resumes it."""
    transaction.execute(
        delete(pauses).where(pauses.c.partition == key.partition, pauses.c.id == key.id)
    )
    if until is not None:
        transaction.execute(insert(pauses).values(partition=key.partition, id=key.id, until=until))


def due_pauses(transaction: Transaction, now: datetime, limit: int) -> list[RowKey]:
    """Return up to `limit` grants whose pause has ended by `now`."""
    rows = transaction.execute(select(pauses).where(pauses.c.until <= now).limit(limit))
    return [RowKey(row.partition, row.id) for row in rows]


def pause_end_of(transaction: Transaction, key: RowKey) -> datetime | None:
    """Return until when a grant is paused; None if it is not, or without an end."""
    until: datetime | None = transaction.scalar(
        select(pauses.c.until).where(pauses.c.partition == key.partition, pauses.c.id == key.id)
    )
    return until


def pause_ends_of(transaction: Transaction, partition: int) -> Mapping[int, datetime]:
    """Return until when grants of a recipient are paused, by grant id."""
    rows = transaction.execute(select(pauses).where(pauses.c.partition == partition))
    return {row.id: row.until for row in rows}


def _columns(scope: Scope) -> dict[str, Any]:
    return {
        "purposes": " ".join(sorted(scope.purposes)),
        "cap_limit": scope.frequency_cap.limit,
        "cap_days": scope.frequency_cap.window.days,
        "opens": scope.send_window.opens,
        "closes": scope.send_window.closes,
        "ends_at": scope.ends_at,
    }


def _locked_grant(  # noqa: PLR0913, PLR0917 - the columns of the table, in their order
    partition: int,
    grant_id: int,
    merchant_id: str,
    purposes: str,
    cap_limit: int,
    cap_days: int,
    opens: int,
    closes: int,
    timezone: str,
    ends_at: int,
    language: str,
    granted_at: int,
    status: str,
    status_since: int,
    wrapped_key: bytes | None,
) -> LockedGrant:
    """Return the grant in a driver's row, in which times are seconds."""
    scope = Scope(
        purposes=purposes_of(purposes),
        frequency_cap=frequency_cap_of(cap_limit, cap_days),
        send_window=send_window_of(opens, closes, timezone),
        ends_at=utc_from_epoch(ends_at),
    )
    grant = Grant(
        key=RowKey(partition, grant_id),
        merchant_id=merchant_id,
        scope=scope,
        language=language,
        granted_at=utc_from_epoch(granted_at),
        status=STATUSES[status],
        status_since=utc_from_epoch(status_since),
    )
    return LockedGrant(grant, wrapped_key)


def _change(row: Row[Any]) -> GrantChange:
    return GrantChange(
        RowKey(row.partition, row.grant_id),
        row.changed_at,
        row.amendment,
        _scope(row),
        GrantStatus(row.status),
    )


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        key=RowKey(row.partition, row.id),
        merchant_id=row.merchant_id,
        scope=_scope(row),
        language=row.language,
        granted_at=row.granted_at,
        status=GrantStatus(row.status),
        status_since=row.status_since,
    )


def _scope(row: Row[Any]) -> Scope:
    return Scope(
        purposes=purposes_of(row.purposes),
        frequency_cap=frequency_cap_of(row.cap_limit, row.cap_days),
        send_window=send_window_of(row.opens, row.closes, row.timezone),
        ends_at=row.ends_at,
    )
