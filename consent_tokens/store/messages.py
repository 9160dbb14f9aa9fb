"""Queries on messages: by row key, reference, grant and gateway id, and what counts for caps.

`store.outbox` has the statements on messages that wait to be sent or are being sent.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, select, update

from consent_tokens.clock import utc_from_epoch
from consent_tokens.evidence.rollups import CountedFor, counted_for
from consent_tokens.listing import ListFilter
from consent_tokens.relay.message import (
    MAX_SCHEDULE_AHEAD,
    MAX_VALIDITY,
    WAITING,
    CountedSend,
    Message,
    MessageStatus,
    Priority,
)
from consent_tokens.row_key import RowKey
from consent_tokens.store.bulk import ROW_KEY_COLUMNS, RowSet
from consent_tokens.store.database import Transaction
from consent_tokens.store.listing import page
from consent_tokens.store.round_trips import Asked
from consent_tokens.store.tables import messages

COLUMN_NAMES: Final = (
    "partition", "id", "grant_id", "merchant_id", "sender_id", "priority", "purpose", "reference",
    "status", "reason", "accepted_at", "send_at", "valid_until", "changed_at", "segments",
    "attempts", "sealed_number", "wrapped_key", "text", "template_id", "template_version",
    "value_hashes", "event_hash", "pacing_id", "pacing", "held_from",
)  # fmt: skip
COLUMNS: Final = ", ".join(COLUMN_NAMES)
# a look-up in a dict is faster than calling the enumeration
PRIORITIES: Final = {priority.value: priority for priority in Priority}
STATUSES: Final = {status.value: status for status in MessageStatus}
SUBMITTED_STATUSES: Final = (
    MessageStatus.SENDING,
    MessageStatus.SENT,
    MessageStatus.DELIVERED,
    MessageStatus.UNDELIVERABLE,
    MessageStatus.UNKNOWN,
)
ARRIVED_STATUSES: Final = (MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.UNKNOWN)
# A message that is held back counts where it was to be sent: its `send_at` is when it expires.
# The conditions on times name both tables, so that the planner finds the messages of each grant by
# their index. Without statistics on the table it would expect few of all messages to meet plain
# conditions, and compare all of them with each input row (600 ms instead of 3 for 500 of 5,000).
COUNTED_SENDS = """
SELECT m.partition, m.id, m.grant_id, m.priority,
    COALESCE(m.held_from, m.send_at) AS counted_at, m.status
FROM {input} JOIN messages m ON m.partition = input.partition AND m.grant_id = input.id
    AND m.accepted_at > CASE WHEN input.id IS NOT NULL THEN :accepted_since END
    AND m.send_at > CASE WHEN input.id IS NOT NULL THEN :since END
WHERE m.status NOT IN ('refused', 'expired')
ORDER BY counted_at
"""
MAX_TIME_IN_OUTBOX: Final = MAX_SCHEDULE_AHEAD + MAX_VALIDITY  # from acceptance to submission


def counted_sends(
    transaction: Transaction,
    grants: Sequence[RowKey],
    since: datetime,
    *,
    but: Collection[int] = (),
) -> Asked[Mapping[RowKey, list[CountedSend]]]:
    """Ask for what counts towards the frequency caps of these grants, ascending by `send_at`.

    Refused and expired messages do not count, nor do those with an id in `but`: the ones that
    are being decided.
    """
    keys = RowSet(ROW_KEY_COLUMNS, sorted(set(grants)))
    since_seconds = int(since.timestamp())
    accepted_since = since_seconds - int(MAX_TIME_IN_OUTBOX.total_seconds())
    bounds = {"since": since_seconds, "accepted_since": accepted_since}
    rows = keys.ask(transaction, COUNTED_SENDS, **bounds)
    return lambda: _sends_by_grant(rows(), but)


def _sends_by_grant(
    rows: Sequence[Any], but: Collection[int]
) -> Mapping[RowKey, list[CountedSend]]:
    found: dict[RowKey, list[CountedSend]] = defaultdict(list)
    for row in rows:
        partition, message_id, grant_id, priority, send_at, status = row
        if message_id not in but:
            send = CountedSend(
                message_id, PRIORITIES[priority], utc_from_epoch(send_at), status not in WAITING
            )
            found[RowKey(partition, grant_id)].append(send)
    return found


MARKETING_SENDS = """
SELECT m.partition, m.id, m.priority, COALESCE(m.held_from, m.send_at) AS counted_at, m.status
FROM {input} JOIN messages m ON m.partition = input.partition
    AND m.send_at > CASE WHEN input.partition IS NOT NULL THEN :since END
    AND m.priority = CASE WHEN input.partition IS NOT NULL THEN :priority END
WHERE m.status NOT IN ('refused', 'expired')
ORDER BY counted_at
"""


def marketing_sends_of(
    transaction: Transaction, partitions: Collection[int], since: datetime
) -> Mapping[int, list[CountedSend]]:
    """Return what counts towards recipients' own limits: all merchants' marketing, by partition."""
    found: dict[int, list[CountedSend]] = defaultdict(list)
    keys = RowSet({"partition": "bigint"}, [(partition,) for partition in sorted(set(partitions))])
    priority = Priority.MARKETING.value
    for row in keys.run(
        transaction, MARKETING_SENDS, since=int(since.timestamp()), priority=priority
    ):
        partition, message_id, priority_value, send_at_seconds, status = row
        send_at = utc_from_epoch(send_at_seconds)
        found[partition].append(
            CountedSend(message_id, Priority(priority_value), send_at, status not in WAITING)
        )
    return found


TEXTS_OF_EVENTS = """
SELECT m.partition, m.event_hash, m.template_id, count(*) AS texts
FROM {input} JOIN messages m ON m.partition = input.partition AND m.event_hash = input.id
WHERE m.event_hash IS NOT NULL AND m.status NOT IN ('refused', 'expired')
GROUP BY m.partition, m.event_hash, m.template_id
"""


def texts_of_events(
    transaction: Transaction, events: Collection[RowKey]
) -> dict[tuple[RowKey, str], int]:
    """Return how many texts of a template each event had, by (partition and event hash, template).

    Refused and expired messages do not count. Exact while the caller holds the grants' locks.
    """
    keys = RowSet(ROW_KEY_COLUMNS, sorted(set(events)))
    return {
        (RowKey(row.partition, row.event_hash), row.template_id): row.texts
        for row in keys.run(transaction, TEXTS_OF_EVENTS)
        if row.template_id is not None
    }


def last_submitted_at(transaction: Transaction, grant: RowKey) -> datetime | None:
    """Return when the last message under a grant was submitted; None if none was."""
    submitted_at: datetime | None = transaction.scalar(
        select(messages.c.send_at)
        .where(
            messages.c.partition == grant.partition,
            messages.c.grant_id == grant.id,
            messages.c.status.in_(SUBMITTED_STATUSES),
        )
        .order_by(messages.c.send_at.desc())
        .limit(1)
    )
    return submitted_at


def find(transaction: Transaction, key: RowKey) -> Message | None:
    """Return a message by its key; None if there is none."""
    row = transaction.execute(
        select(messages).where(messages.c.partition == key.partition, messages.c.id == key.id)
    ).one_or_none()
    return message_from_row(row) if row else None


def last_sent_of_merchants(
    transaction: Transaction, partition: int, merchant_ids: Sequence[str]
) -> Message | None:
    """Return the newest message to a recipient that was sent by one of these merchants."""
    row = transaction.execute(
        select(messages)
        .where(
            messages.c.partition == partition,
            messages.c.merchant_id.in_(merchant_ids),
            messages.c.status.in_(ARRIVED_STATUSES),
        )
        .order_by(messages.c.send_at.desc(), messages.c.id.desc())
        .limit(1)
    ).first()
    return message_from_row(row) if row else None


def count_as_marketing(transaction: Transaction, keys: Sequence[RowKey]) -> None:
    """Have sent messages count towards the caps on marketing.

    The caller holds their grants locked: caps are counted under that lock.
    """
    for key in keys:
        transaction.execute(
            update(messages)
            .where(messages.c.partition == key.partition, messages.c.id == key.id)
            .where(messages.c.status.not_in(WAITING))
            .values(priority=Priority.MARKETING.value)
        )


def of_merchant(transaction: Transaction, merchant_id: str, wanted: ListFilter) -> list[Message]:
    """Return a page of a merchant's messages, the oldest first."""
    query = select(messages).where(messages.c.merchant_id == merchant_id)
    if wanted.reference is not None:
        query = query.where(messages.c.reference == wanted.reference)
    if wanted.status is not None:
        query = query.where(messages.c.status == wanted.status)
    rows = transaction.execute(page(query, messages, "accepted_at", wanted))
    return [message_from_row(row) for row in rows]


def of_grant(transaction: Transaction, grant: RowKey, limit: int) -> list[Message]:
    """Return up to `limit` messages of a grant, newest first."""
    query = (
        select(messages)
        .where(messages.c.partition == grant.partition, messages.c.grant_id == grant.id)
        .order_by(messages.c.send_at.desc())
        .limit(limit)
    )
    return [message_from_row(row) for row in transaction.execute(query)]


def of_recipient(transaction: Transaction, partition: int) -> Mapping[int, list[Message]]:
    """Return all messages of a recipient's grants by grant id, the newest first."""
    rows = transaction.execute(
        select(messages)
        .where(messages.c.partition == partition, messages.c.grant_id.is_not(None))
        .order_by(messages.c.send_at.desc(), messages.c.id)
    )
    found: dict[int, list[Message]] = defaultdict(list)
    for row in rows:
        found[row.grant_id].append(message_from_row(row))
    return found


def count_refused_at(transaction: Transaction, grant: RowKey, reason: str, at: datetime) -> int:
    """Return how many messages of a grant were refused for a reason at a given time."""
    return transaction.execute(
        select(func.count())
        .select_from(messages)
        .where(
            messages.c.partition == grant.partition,
            messages.c.grant_id == grant.id,
            messages.c.reason == reason,
            messages.c.changed_at == at,
        )
    ).scalar_one()


BY_GATEWAY_ID = """
SELECT m.gateway_id, m.partition, m.id, m.merchant_id, m.grant_id, m.reference, m.send_at, 0 AS part
FROM {input} JOIN messages m ON m.gateway_id = input.id
UNION ALL
SELECT s.gateway_id, m.partition, m.id, m.merchant_id, m.grant_id, m.reference, m.send_at, s.part
FROM {input} JOIN message_segments s ON s.gateway_id = input.id
    JOIN messages m ON m.partition = s.partition AND m.id = s.id
ORDER BY send_at, part
"""


@dataclass(frozen=True, slots=True)
class ReportedMessage:
    """What a delivery report needs of the message that it is about."""

    key: RowKey
    merchant_id: str | None
    grant_id: int | None
    reference: str | None
    part: int | None = None  # the segment that the id belongs to, if there are several
    counted_for: CountedFor | None = None  # in rollups; what `record_reports` returns has it
    sent_at: datetime | None = None


def by_gateway_ids(
    transaction: Transaction, gateway_ids: Collection[str]
) -> dict[str, ReportedMessage]:
    """Return messages by the ids that the gateway gave them, or their segments.

    Carriers reuse ids: of several messages with one id this is the one that was sent last.
    """
    ids = RowSet({"id": "text"}, [(gateway_id,) for gateway_id in sorted(set(gateway_ids))])
    return {
        row.gateway_id: ReportedMessage(
            RowKey(row.partition, row.id),
            row.merchant_id,
            row.grant_id,
            row.reference,
            row.part or None,
        )
        for row in ids.run(transaction, BY_GATEWAY_ID)
    }


REPORT_COLUMNS: Final = {
    **ROW_KEY_COLUMNS,
    "status": "text",
    "reason": "text",
    "corrects": "bigint",
}
RECORD_REPORTS = """
UPDATE messages
SET status = CASE WHEN input.status = 'sent' THEN messages.status ELSE input.status END,
    reason = input.reason, changed_at = :now
FROM {input}
WHERE messages.partition = input.partition AND messages.id = input.id
    AND (messages.status IN ('sent', 'unknown')
        OR (messages.status = 'delivered' AND input.corrects = 1))
RETURNING messages.partition AS partition, messages.id AS id, messages.merchant_id AS merchant_id,
    messages.grant_id AS grant_id, messages.reference AS reference,
    messages.sender_id AS sender_id, messages.template_id AS template_id,
    messages.purpose AS purpose, messages.send_at AS send_at
"""


def record_reports(
    transaction: Transaction,
    reports: Mapping[RowKey, tuple[MessageStatus, str | None]],
    now: datetime,
    *,
    corrections: Collection[RowKey] = (),
) -> list[ReportedMessage]:
    """Record the status that the gateway reports; return the messages that changed.

    Only `sent` and `unknown` messages change, and `delivered` ones that are in `corrections`: a
    final status stays. A reported `sent` records its reason only.
    """
    rows = [
        (*key, status.value, reason, int(key in corrections))
        for key, (status, reason) in sorted(reports.items())
    ]
    updated = RowSet(REPORT_COLUMNS, rows).run(
        transaction, RECORD_REPORTS, now=int(now.timestamp())
    )
    return [
        ReportedMessage(
            RowKey(row.partition, row.id),
            row.merchant_id,
            row.grant_id,
            row.reference,
            counted_for=counted_for(row.merchant_id, row.sender_id, row.template_id, row.purpose),
            sent_at=utc_from_epoch(row.send_at),
        )
        for row in updated
    ]


def lock_delivered(transaction: Transaction, keys: Collection[RowKey]) -> frozenset[RowKey]:
    """Return which of these messages are recorded as delivered, locked until the end."""
    rows = RowSet(ROW_KEY_COLUMNS, sorted(set(keys))).lock_rows(
        transaction, "messages", ["partition", "id", "status"]
    )
    return frozenset(
        RowKey(row.partition, row.id) for row in rows() if row.status == MessageStatus.DELIVERED
    )


def delete_texts_of(transaction: Transaction, partition: int) -> None:
    """Delete the texts of all messages to a recipient."""
    transaction.execute(update(messages).where(messages.c.partition == partition).values(text=None))


def message_from_row(row: Row[Any]) -> Message:
    """Return the message in a row of SQLAlchemy."""
    return Message(
        key=RowKey(row.partition, row.id),
        grant_key=None if row.grant_id is None else RowKey(row.partition, row.grant_id),
        merchant_id=row.merchant_id,
        sender_id=row.sender_id,
        priority=Priority(row.priority),
        purpose=row.purpose,
        reference=row.reference,
        status=MessageStatus(row.status),
        reason=row.reason,
        accepted_at=row.accepted_at,
        send_at=row.send_at,
        valid_until=row.valid_until,
        changed_at=row.changed_at,
        segments=row.segments,
        attempts=row.attempts,
        sealed_number=row.sealed_number,
        wrapped_key=row.wrapped_key,
        text=row.text,
        template_id=row.template_id,
        template_version=row.template_version,
        value_hashes=row.value_hashes,
        event_hash=row.event_hash,
        pacing_id=row.pacing_id,
        pacing=row.pacing,
        held_from=row.held_from,
    )
