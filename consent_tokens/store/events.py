"""Events (evidence): inserted and read. No function here changes or deletes one."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, select

from consent_tokens.clock import epoch_of
from consent_tokens.consent.grant import EndReason
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.row_key import ID_BYTES, RowKey, new_ids
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import (
    IS_DELETED_BY_TIME,
    IS_GRANT_END,
    IS_UNACCEPTED_REFUSAL,
    events,
)

COLUMNS: Final = (
    "partition", "id", "at", "kind", "merchant_id", "grant_id", "message_id", "reason",
    "actor", "rules", "inputs",
)  # fmt: skip

TokenBytes = Callable[[int], bytes]  # returns that many random bytes


def record(
    transaction: Transaction, events_to_record: Sequence[Event], token_bytes: TokenBytes
) -> None:
    """Insert events with one statement, each with its id or a random one from `token_bytes`."""
    ids = new_ids(token_bytes(ID_BYTES * len(events_to_record)))
    insert_rows(
        transaction,
        "events",
        COLUMNS,
        [
            (
                event.partition,
                event_id if event.id is None else event.id,
                epoch_of(event.at),
                event.kind.value,
                event.merchant_id,
                event.grant_id,
                event.message_id,
                event.reason,
                event.actor,
                event.rules,
                event.inputs,
            )
            for event_id, event in zip(ids, events_to_record, strict=True)
        ],
    )


def of_partition(transaction: Transaction, partition: int, since: datetime) -> list[Event]:
    """Return the events of a partition from `since` on, oldest first."""
    rows = transaction.execute(
        select(events)
        .where(events.c.partition == partition, events.c.at >= since)
        .order_by(events.c.at, events.c.id)
    )
    return [event_from_row(row) for row in rows]


def has_event_since(
    transaction: Transaction, partition: int, merchant_id: str, kind: EventKind, since: datetime
) -> bool:
    """Whether a partition has an event of a kind about a merchant from `since` on."""
    row = transaction.execute(
        select(events.c.id)
        .where(
            events.c.partition == partition,
            events.c.merchant_id == merchant_id,
            events.c.kind == kind,
            events.c.at >= since,
        )
        .limit(1)
    ).first()
    return row is not None


def last_of_kind(transaction: Transaction, partition: int, kind: EventKind) -> datetime | None:
    """Return when a partition had its last event of a kind; None if it has none."""
    last: datetime | None = transaction.scalar(
        select(func.max(events.c.at)).where(events.c.partition == partition, events.c.kind == kind)
    )
    return last


def count_by_merchant_and_reason(
    transaction: Transaction, kind: EventKind, since: datetime
) -> list[tuple[str, str, int]]:
    """Return (merchant id, reason, count) of the events of a kind that are deleted by their time.

    Of those from `since` on; the index on the time of such events serves it.
    """
    rows = transaction.execute(
        select(events.c.merchant_id, events.c.reason, func.count())
        .where(IS_DELETED_BY_TIME, events.c.at >= since, events.c.kind == kind)
        .group_by(events.c.merchant_id, events.c.reason)
        .order_by(events.c.merchant_id, events.c.reason)
    )
    return [(merchant_id, reason, count) for merchant_id, reason, count in rows]


def refusals_under_grant(transaction: Transaction, grant: RowKey, limit: int) -> list[Event]:
    """Return up to `limit` refusals of messages under a grant at submission, newest first.

    A message that was refused after it had been accepted is a row of `messages` instead.
    """
    rows = transaction.execute(
        select(events)
        .where(
            events.c.partition == grant.partition,
            events.c.grant_id == grant.id,
            IS_UNACCEPTED_REFUSAL,
        )
        .order_by(events.c.at.desc(), events.c.id)
        .limit(limit)
    )
    return [event_from_row(row) for row in rows]


def reassigned_grants_of(transaction: Transaction, partition: int) -> frozenset[int]:
    """Return the ids of the grants that ended because the number was reassigned."""
    rows = transaction.execute(
        select(events.c.grant_id).where(
            events.c.partition == partition,
            events.c.grant_id.is_not(None),
            IS_GRANT_END,
            events.c.reason == EndReason.NUMBER,
        )
    )
    return frozenset(row.grant_id for row in rows)


def is_reassigned(transaction: Transaction, grant: RowKey) -> bool:
    """Whether a grant ended because the number was reassigned."""
    row = transaction.execute(
        select(events.c.id)
        .where(
            events.c.partition == grant.partition,
            events.c.grant_id == grant.id,
            IS_GRANT_END,
            events.c.reason == EndReason.NUMBER,
        )
        .limit(1)
    ).first()
    return row is not None


def event_from_row(row: Row[Any]) -> Event:
    """Return the event in a row of SQLAlchemy."""
    return Event(
        partition=row.partition,
        at=row.at,
        kind=EventKind(row.kind),
        merchant_id=row.merchant_id,
        grant_id=row.grant_id,
        message_id=row.message_id,
        reason=row.reason,
        actor=row.actor,
        rules=row.rules,
        inputs=row.inputs,
    )
