"""Delete what is past its retention, in batches; and count what is due.

Each kind of `services.retention.kinds` has one rule here. Nothing in this module knows how long a
kind is kept: it deletes what is older than a given time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    Table,
    and_,
    delete,
    exists,
    literal,
    null,
    or_,
    select,
    tuple_,
    update,
)

from consent_tokens.consent.quiet_periods import QuietPeriods, end_quiet_period
from consent_tokens.relay.campaign import CampaignStatus
from consent_tokens.relay.message import MessageStatus
from consent_tokens.relay.pacing import day_of
from consent_tokens.store.admission_tables import plans, template_value_counts
from consent_tokens.store.bulk import ROW_KEY_COLUMNS, RowSet
from consent_tokens.store.console_tables import campaign_parts, campaigns
from consent_tokens.store.database import Transaction, count_rows, insert_or_ignore
from consent_tokens.store.preferences import quiet_columns, quiet_periods_of
from consent_tokens.store.rollup_tables import daily_reasons, daily_rollups
from consent_tokens.store.tables import (
    HAS_NO_GRANT,
    HAS_NO_KEY,
    HAS_QUIET_PERIOD,
    HAS_SEVERAL_QUIET_PERIODS,
    HAS_TEXT,
    HAS_TOKEN,
    IS_DELETED_BY_TIME,
    challenges,
    complaints,
    consent_requests,
    consumer_sessions,
    erased_texts,
    events,
    fingerprints,
    grants,
    idempotency_responses,
    invitations,
    merchant_consents,
    message_links,
    message_segments,
    messages,
    posters,
    preferences,
    rate_limits,
    recipient_locks,
    retention_runs,
    waiting_entries,
    webhook_events,
)

MAY_STILL_LEAVE: Final = (MessageStatus.QUEUED, MessageStatus.DEFERRED, MessageStatus.SENDING)


DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Deleted:
    """What one batch deleted."""

    rows: int
    partitions: frozenset[int] = frozenset()  # in which nothing else may be left


@dataclass(frozen=True, slots=True)
class Run:
    """What the deletion of a kind has done."""

    ran_at: datetime
    deleted_before: datetime | None  # nothing older is left; None: nothing was deleted yet
    deleted: int  # rows, in all runs


_Condition = Callable[[datetime], ColumnElement[bool]]
_Delete = Callable[[Transaction, Table, ColumnElement[bool], int], Deleted]


def delete_batch(transaction: Transaction, kind: str, before: datetime, limit: int) -> Deleted:
    """Delete up to `limit` rows of a kind that are older than `before`, with what hangs on them."""
    rule = _RULES[kind]
    return rule.delete(transaction, rule.table, rule.is_due(before), limit)


def count_due(
    transaction: Transaction, kind: str, before: datetime, limit: int | None = None
) -> int:
    """Return how many rows of a kind are older than `before`, counted up to `limit`."""
    rule = _RULES[kind]
    due = select(literal(1)).select_from(rule.table).where(rule.is_due(before))
    return count_rows(transaction, due, limit)


# --- What was done ------------------------------------------------------------------------------


def record_run(
    transaction: Transaction,
    kind: str,
    now: datetime,
    *,
    deleted: int = 0,
    before: datetime | None = None,
) -> None:
    """Record that a kind was looked at, how many rows were deleted, and those older than what."""
    insert_or_ignore(transaction, retention_runs, kind=kind, ran_at=now, deleted=0)
    values: dict[str, Any] = {"ran_at": now, "deleted": retention_runs.c.deleted + deleted}
    if before is not None:
        values["deleted_before"] = before
    transaction.execute(
        update(retention_runs).where(retention_runs.c.kind == kind).values(**values)
    )


def runs(transaction: Transaction) -> Mapping[str, Run]:
    """Return what was done, by kind."""
    return {
        row.kind: Run(row.ran_at, row.deleted_before, row.deleted)
        for row in transaction.execute(select(retention_runs))
    }


def deleted_before(transaction: Transaction, kind: str) -> datetime | None:
    """Return the time before which rows of a kind were deleted; None if none was."""
    found: datetime | None = transaction.scalar(
        select(retention_runs.c.deleted_before).where(retention_runs.c.kind == kind)
    )
    return found


# --- The rules ----------------------------------------------------------------------------------


def _delete_rows(
    transaction: Transaction, table: Table, is_due: ColumnElement[bool], limit: int
) -> Deleted:
    """Delete rows of one table."""
    key = list(table.primary_key.columns)
    chosen = select(*key).where(is_due).limit(limit)
    statement = delete(table).where(tuple_(*key).in_(chosen))
    if "partition" not in table.c:
        return Deleted(transaction.execute(statement).rowcount)
    return _deleted(transaction.execute(statement.returning(table.c.partition)).all())


def _deleted(rows: list[Row[Any]] | Any) -> Deleted:  # noqa: ANN401 - rows of SQLAlchemy
    return Deleted(len(rows), frozenset(row.partition for row in rows))


def _clear(**values: object) -> _Delete:
    """Return a function that empties columns instead of deleting rows."""

    def clear(
        transaction: Transaction, table: Table, is_due: ColumnElement[bool], limit: int
    ) -> Deleted:
        key = list(table.primary_key.columns)
        chosen = select(*key).where(is_due).limit(limit)
        statement = update(table).where(tuple_(*key).in_(chosen)).values(**values)
        return Deleted(transaction.execute(statement).rowcount)

    return clear


DELETE_EVENTS_OF_MESSAGES = """
DELETE FROM events WHERE (partition, id) IN (
    SELECT e.partition, e.id FROM {input}
    JOIN events e ON e.partition = input.partition AND e.message_id = input.id
)
"""
DELETE_MESSAGES = (
    "DELETE FROM messages WHERE (partition, id) IN (SELECT partition, id FROM {input})"
)


def _delete_messages(
    transaction: Transaction, table: Table, is_due: ColumnElement[bool], limit: int
) -> Deleted:
    """Delete messages, each with its events."""
    keys = _row_keys(transaction, table, is_due, limit)
    for statement in (DELETE_EVENTS_OF_MESSAGES, DELETE_MESSAGES):
        keys.run(transaction, statement)
    return Deleted(len(keys.rows), frozenset(int(row[0] or 0) for row in keys.rows))


# of each table: the columns that hold the row key of the grant
OF_GRANTS: Final = {
    "notices": ("partition", "id"),
    "pauses": ("partition", "id"),
    "grant_changes": ("partition", "grant_id"),
    "receipts": ("partition", "grant_id"),
    "events": ("partition", "grant_id"),
    "consent_requests": ("grant_partition", "grant_id"),
    "grants": ("partition", "id"),
}
DELETE_OF_GRANTS = """
DELETE FROM {table} WHERE (partition, id) IN (
    SELECT t.partition, t.id FROM {{input}}
    JOIN {table} t ON t.{partition} = input.partition AND t.{id} = input.id
)
"""


def _delete_grants(
    transaction: Transaction, table: Table, is_due: ColumnElement[bool], limit: int
) -> Deleted:
    """Delete ended grants, each with its notice, history, receipts, request and events."""
    keys = _row_keys(transaction, table, is_due, limit)
    for name, (partition, row_id) in OF_GRANTS.items():
        statement = DELETE_OF_GRANTS.format(table=name, partition=partition, id=row_id)
        keys.run(transaction, statement)
    return Deleted(len(keys.rows), frozenset(int(row[0] or 0) for row in keys.rows))


def _row_keys(
    transaction: Transaction, table: Table, is_due: ColumnElement[bool], limit: int
) -> RowSet:
    found = transaction.execute(select(table.c.partition, table.c.id).where(is_due).limit(limit))
    return RowSet(ROW_KEY_COLUMNS, [(row.partition, row.id) for row in found])


def _delete_campaigns(
    transaction: Transaction, table: Table, is_due: ColumnElement[bool], limit: int
) -> Deleted:
    """Delete campaigns, each with its file."""
    ids = transaction.scalars(select(table.c.id).where(is_due).limit(limit)).all()
    transaction.execute(delete(campaign_parts).where(campaign_parts.c.campaign_id.in_(ids)))
    return Deleted(transaction.execute(delete(table).where(table.c.id.in_(ids))).rowcount)


def _end_quiet_periods(
    transaction: Transaction, table: Table, is_due: ColumnElement[bool], limit: int
) -> Deleted:
    """Delete quiet periods that are over, and rows that then say nothing."""
    due = transaction.scalars(select(table.c.partition).where(is_due).limit(limit)).all()
    # lock by an update that changes nothing: Citus refuses FOR UPDATE over several shards
    lock = (
        update(table)
        .where(table.c.partition.in_(due), is_due)
        .values(no_invitations=table.c.no_invitations)
        .returning(*table.c)
    )
    ended = rows = transaction.execute(lock).all() if due else []
    while rows:
        for row in rows:
            left = _without_first_end(row)
            is_row = table.c.partition == row.partition
            transaction.execute(update(table).where(is_row).values(**quiet_columns(left)))
        rows = transaction.execute(lock).all()
    says_nothing = and_(
        table.c.quiet_until.is_(None),
        table.c.daily_limit.is_(None),
        table.c.weekly_limit.is_(None),
        table.c.quiet_hours_from.is_(None),
        table.c.no_invitations == 0,
    )
    partitions = [row.partition for row in ended]
    transaction.execute(delete(table).where(table.c.partition.in_(partitions), says_nothing))
    return _deleted(ended)


def _without_first_end(row: Row[Any]) -> QuietPeriods:
    """Return the quiet periods of a row that is due, without the one that ends first.

    If the version before has changed their span since, that span is looked at on its own.
    """
    periods = quiet_periods_of(row.quiet_periods, row.quiet_from, row.quiet_until)
    is_one = len(periods) == 1
    if is_one and row.quiet_first_end is not None:
        return periods
    return end_quiet_period(periods, min(each.ends for each in periods))


def _is_past_stop(before: datetime) -> ColumnElement[bool]:
    """Whether a row says nothing any more: an old stop, or only a lock on grants that are gone."""
    table = merchant_consents
    has_grants = exists().where(
        grants.c.partition == table.c.partition, grants.c.merchant_id == table.c.merchant_id
    )
    return or_(table.c.stopped_at < before, and_(table.c.stopped_at.is_(None), ~has_grants))


def _was_sent_or_refused(before: datetime) -> ColumnElement[bool]:
    """Whether a message left, or will not leave any more, since before a time.

    `send_at` is when it left, or when it would have; a refusal may come sooner, a delivery report
    later. `accepted_at` is the earliest of the times, and has the index.
    """
    return and_(
        messages.c.accepted_at < before,
        or_(messages.c.send_at < before, messages.c.changed_at < before),
        messages.c.status.not_in(MAY_STILL_LEAVE),
    )


def _has_complaint() -> ColumnElement[bool]:
    """Whether a complaint is about the message, which is then kept as long as the complaint."""
    return exists().where(
        complaints.c.partition == messages.c.partition, complaints.c.message_id == messages.c.id
    )


@dataclass(frozen=True, slots=True)
class _Rule:
    """What is due in which table, and how it is deleted."""

    table: Table
    is_due: _Condition
    delete: _Delete = _delete_rows


_RULES: Final[Mapping[str, _Rule]] = {  # by kind
    "one_time_codes": _Rule(challenges, lambda before: challenges.c.sent_at < before),
    "rate_limits": _Rule(rate_limits, lambda before: rate_limits.c.idle_at <= before),
    "sessions": _Rule(consumer_sessions, lambda before: consumer_sessions.c.seen_at < before),
    "api_responses": _Rule(
        idempotency_responses, lambda before: idempotency_responses.c.created_at < before
    ),
    "tokens": _Rule(
        consent_requests,
        lambda before: and_(HAS_TOKEN, consent_requests.c.decided_at < before),
        _clear(token=null()),
    ),
    "template_values": _Rule(
        template_value_counts, lambda before: template_value_counts.c.counted_at < before
    ),
    "recipient_locks": _Rule(recipient_locks, lambda before: recipient_locks.c.locked_at < before),
    "message_segments": _Rule(message_segments, lambda before: message_segments.c.sent_at < before),
    "webhook_events": _Rule(webhook_events, lambda before: webhook_events.c.created_at < before),
    "quiet_periods": _Rule(
        preferences,
        lambda before: or_(
            and_(HAS_QUIET_PERIOD, preferences.c.quiet_until <= before),
            and_(HAS_SEVERAL_QUIET_PERIODS, preferences.c.quiet_first_end <= before),
        ),
        _end_quiet_periods,
    ),
    "journal": _Rule(waiting_entries, lambda before: waiting_entries.c.until <= before),
    "invitations": _Rule(invitations, lambda before: invitations.c.next_allowed_at <= before),
    "stops": _Rule(merchant_consents, _is_past_stop),
    "message_texts": _Rule(
        messages,
        lambda before: and_(
            HAS_TEXT,
            _was_sent_or_refused(before),
        ),
        _clear(text=null()),
    ),
    "message_links": _Rule(message_links, lambda before: message_links.c.expires_at <= before),
    "sent_texts": _Rule(fingerprints, lambda before: fingerprints.c.sent_at < before),
    # by the end of the day, so that none is deleted too soon
    "erased_texts": _Rule(erased_texts, lambda before: erased_texts.c.sent_on < before - DAY),
    "complaints": _Rule(complaints, lambda before: complaints.c.changed_at < before),
    "messages": _Rule(
        messages,
        lambda before: and_(
            _was_sent_or_refused(before),
            ~_has_complaint(),
        ),
        _delete_messages,
    ),
    "events": _Rule(events, lambda before: and_(IS_DELETED_BY_TIME, events.c.at < before)),
    "requests": _Rule(
        consent_requests,
        lambda before: and_(
            HAS_NO_GRANT,
            consent_requests.c.expires_at < before,
            or_(
                consent_requests.c.decided_at.is_(None),
                consent_requests.c.decided_at < before,
            ),
        ),
    ),
    "rollups": _Rule(daily_rollups, lambda before: daily_rollups.c.day < day_of(before)),
    "rollup_reasons": _Rule(daily_reasons, lambda before: daily_reasons.c.day < day_of(before)),
    "plans": _Rule(plans, lambda before: plans.c.ends_at < before),
    "posters": _Rule(posters, lambda before: posters.c.expires_at < before),
    "campaigns": _Rule(
        campaigns,
        lambda before: and_(
            campaigns.c.changed_at < before, campaigns.c.status != CampaignStatus.RUNNING
        ),
        _delete_campaigns,
    ),
    "consents": _Rule(
        grants, lambda before: and_(HAS_NO_KEY, grants.c.status_since < before), _delete_grants
    ),
}
