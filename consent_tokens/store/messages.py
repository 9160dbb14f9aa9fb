"""Questions about messages: what is to go, what went, and what became of it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, select, text, tuple_, update
from sqlalchemy.sql.dml import ReturningUpdate

from consent_tokens.clock import utc_from_epoch
from consent_tokens.relay.message import (
    INVITATION_PURPOSE,
    MAX_SCHEDULE_AHEAD,
    MAX_VALIDITY,
    WAITING,
    CountedSend,
    Message,
    MessageOutcome,
    MessageStatus,
    Priority,
)
from consent_tokens.row_key import RowKey
from consent_tokens.store.bulk import ROW_KEY_COLUMNS, RowSet, insert_rows
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import messages

COLUMN_NAMES: Final = (
    "partition", "id", "grant_id", "merchant_id", "sender_id", "priority", "purpose", "reference",
    "status", "reason", "accepted_at", "send_at", "valid_until", "changed_at", "segments",
    "attempts", "sealed_number", "wrapped_key", "text",
)  # fmt: skip


COLUMNS: Final = ", ".join(COLUMN_NAMES)


def enqueue(transaction: Transaction, laid_out: Sequence[Message]) -> None:
    """Lay messages in the outbox with one statement: from here on none is lost (promise 7)."""
    insert_rows(transaction, "messages", COLUMN_NAMES, [_row(message) for message in laid_out])


PRIORITIES: Final = {
    priority.value: priority for priority in Priority
}  # quicker than asking the enumeration
STATUSES: Final = {state.value: state for state in MessageStatus}
SUBMITTED_STATUSES: Final = (
    MessageStatus.SENDING,
    MessageStatus.SENT,
    MessageStatus.DELIVERED,
    MessageStatus.UNDELIVERABLE,
    MessageStatus.UNKNOWN,
)
COUNTED_SENDS = """
SELECT m.partition, m.id, m.grant_id, m.priority, m.send_at, m.status
FROM {input} JOIN messages m ON m.partition = input.partition AND m.grant_id = input.id
WHERE m.accepted_at > :accepted_since AND m.send_at > :since
    AND m.status NOT IN ('refused', 'expired')
ORDER BY m.send_at
"""
MAX_TIME_IN_OUTBOX: Final = MAX_SCHEDULE_AHEAD + MAX_VALIDITY  # at most so long before it leaves


def counted_sends(
    transaction: Transaction,
    grants: Sequence[RowKey],
    since: datetime,
    *,
    but: Collection[int] = (),
) -> Mapping[RowKey, list[CountedSend]]:
    """Return what counts against the caps of these grants, each in ascending order.

    Messages that were refused or that expired cost nothing; `but` are those that do not count
    because they are being judged.
    """
    found: dict[RowKey, list[CountedSend]] = defaultdict(list)
    asked = RowSet(ROW_KEY_COLUMNS, sorted(set(grants)))
    since_seconds = int(since.timestamp())
    accepted_since = since_seconds - int(MAX_TIME_IN_OUTBOX.total_seconds())
    bounds = {"since": since_seconds, "accepted_since": accepted_since}
    for row in asked.run(transaction, COUNTED_SENDS, **bounds):
        partition, message_id, grant_id, priority, send_at, status = row
        if message_id not in but:
            send = CountedSend(
                message_id, PRIORITIES[priority], utc_from_epoch(send_at), status not in WAITING
            )
            found[RowKey(partition, grant_id)].append(send)
    return found


MARKETING_SENDS = """
SELECT m.partition, m.id, m.priority, m.send_at, m.status
FROM {input} JOIN messages m ON m.partition = input.partition
WHERE m.send_at > :since AND m.priority = :priority AND m.status NOT IN ('refused', 'expired')
ORDER BY m.send_at
"""


def marketing_sends_of(
    transaction: Transaction, partitions: Collection[int], since: datetime
) -> Mapping[int, list[CountedSend]]:
    """Return what counts against recipients' own limits: marketing, over all merchants."""
    found: dict[int, list[CountedSend]] = defaultdict(list)
    asked = RowSet({"partition": "bigint"}, [(partition,) for partition in sorted(set(partitions))])
    priority = Priority.MARKETING.value
    for row in asked.run(
        transaction, MARKETING_SENDS, since=int(since.timestamp()), priority=priority
    ):
        partition, message_id, priority_value, send_at_seconds, status = row
        send_at = utc_from_epoch(send_at_seconds)
        found[partition].append(
            CountedSend(message_id, Priority(priority_value), send_at, status not in WAITING)
        )
    return found


LEASE = f"""
UPDATE messages
SET status = 'sending', attempts = attempts + 1, lease_until = :until, send_at = :now,
    changed_at = :now
WHERE status IN ('queued', 'deferred') AND (partition, id) IN (
    SELECT partition, id FROM messages
    WHERE status IN ('queued', 'deferred') AND priority = :priority AND send_at <= :now
        AND {{whose}}
    ORDER BY send_at LIMIT :most)
RETURNING {COLUMNS}
"""  # noqa: S608 - the names are this package's own
LEASE_SERVICE = text(LEASE.format(whose="merchant_id IS NULL"))
LEASE_MERCHANTS = text(LEASE.format(whose="merchant_id = :merchant_id"))
# steps from one merchant to the next by the index, however many messages each of them has
MERCHANTS_DUE = text("""
WITH RECURSIVE waits(id) AS (
    SELECT MIN(merchant_id) FROM messages
    WHERE status IN ('queued', 'deferred') AND priority = :priority AND merchant_id IS NOT NULL
    UNION ALL
    SELECT (SELECT MIN(merchant_id) FROM messages
            WHERE status IN ('queued', 'deferred') AND priority = :priority
                AND merchant_id > waits.id)
    FROM waits WHERE waits.id IS NOT NULL)
SELECT waits.id, (SELECT MIN(send_at) FROM messages
                  WHERE status IN ('queued', 'deferred') AND priority = :priority
                      AND merchant_id = waits.id) AS first
FROM waits WHERE waits.id IS NOT NULL
""")


def merchants_due(transaction: Transaction, priority: Priority, now: datetime) -> list[str]:
    """Return the merchants that have a message of a priority due, by id."""
    rows = transaction.execute(MERCHANTS_DUE, {"priority": priority.value})
    return [row.id for row in rows if row.first <= int(now.timestamp())]


def lease(
    transaction: Transaction,
    priority: Priority,
    merchant_id: str | None,
    now: datetime,
    *,
    until: datetime,
    limit: int,
) -> list[Message]:
    """Take a merchant's (or the service's own) due messages of a priority, the oldest first.

    They are out of the hands of every other dispatcher: each is `sending` until its outcome is
    recorded or `until` is past.
    """
    asked = {
        "now": int(now.timestamp()),
        "until": int(until.timestamp()),
        "priority": priority.value,
        "most": limit,
    }
    rows = (
        transaction.execute(LEASE_SERVICE, asked)
        if merchant_id is None
        else transaction.execute(LEASE_MERCHANTS, asked | {"merchant_id": merchant_id})
    )
    return [_leased(row) for row in rows.all()]


DEPTH = text("""
SELECT count(*), min(send_at) FROM (
    SELECT send_at FROM messages
    WHERE status IN ('queued', 'deferred') AND priority = :priority LIMIT :most) AS waiting
""")


def depth(transaction: Transaction, priority: Priority, limit: int) -> tuple[int, datetime | None]:
    """Return how many messages of a priority wait, at most `most`, and since when."""
    count, first = transaction.execute(DEPTH, {"priority": priority.value, "most": limit}).one()
    return count, None if first is None else utc_from_epoch(first)


OUTCOMES: Final = {
    **ROW_KEY_COLUMNS,
    "attempts": "bigint",
    "tries": "bigint",
    "status": "text",
    "send_at": "bigint",
    "reason": "text",
    "gateway_id": "text",
    "waits": "bigint",
}
# the last condition is of both sides: else a database may look through all that is `sending`, for
# each row that is asked, instead of finding each by its key
COMPLETE = """
UPDATE messages
SET status = input.status, send_at = input.send_at, reason = input.reason,
    attempts = input.tries,
    gateway_id = COALESCE(input.gateway_id, messages.gateway_id), changed_at = :now,
    lease_until = NULL,
    sealed_number = CASE WHEN input.waits = 1 THEN messages.sealed_number END,
    wrapped_key = CASE WHEN input.waits = 1 THEN messages.wrapped_key END
FROM {input}
WHERE messages.partition = input.partition AND messages.id = input.id
    AND messages.attempts = CASE WHEN messages.status = 'sending' THEN input.attempts END
RETURNING messages.partition AS partition, messages.id AS id
"""


def complete(
    transaction: Transaction, outcomes: Sequence[MessageOutcome], now: datetime
) -> frozenset[RowKey]:
    """Record what became of leased messages with one statement; return which were still ours."""
    rows = [
        (
            *outcome.key,
            outcome.attempts,
            outcome.attempts if outcome.counts_as_attempt else outcome.attempts - 1,
            outcome.status.value,
            int(outcome.send_at.timestamp()),
            outcome.reason,
            outcome.gateway_id,
            int(outcome.status.is_waiting),
        )
        for outcome in sorted(outcomes, key=attrgetter("key"))
    ]
    concluded = RowSet(OUTCOMES, rows).run(transaction, COMPLETE, now=int(now.timestamp()))
    return frozenset(RowKey(row.partition, row.id) for row in concluded)


EXPIRED_LEASES = text(f"""
UPDATE messages SET lease_until = NULL
WHERE status = 'sending' AND (lease_until < :before OR :is_all = 1)
RETURNING {COLUMNS}
""")  # noqa: S608 - the names are this package's own


def expired_leases(transaction: Transaction, before: datetime | None) -> list[Message]:
    """Return, held, the messages whose dispatcher did not come back within its lease.

    Those are the ones whose lease ended before `before`; if it is None, all that were taken up.
    """
    seconds = int(before.timestamp()) if before else 0
    rows = transaction.execute(EXPIRED_LEASES, {"before": seconds, "is_all": int(before is None)})
    return [_leased(row) for row in rows]


def in_flight_under_grant(transaction: Transaction, grant: RowKey, now: datetime) -> int:
    """Return how many messages of a grant a dispatcher holds in its hands.

    One whose lease is over is in nobody's hands: a dispatcher that wakes up late sends nothing.
    """
    return len(
        transaction.execute(
            select(messages.c.id).where(
                messages.c.partition == grant.partition,
                messages.c.grant_id == grant.id,
                messages.c.status == MessageStatus.SENDING,
                messages.c.lease_until >= now,
            )
        ).all()
    )


def in_flight_to_recipient(
    transaction: Transaction, partition: int, now: datetime, priority: Priority | None = None
) -> int:
    """Return how many messages to a recipient a dispatcher holds in its hands."""
    query = select(messages.c.id).where(
        messages.c.partition == partition,
        messages.c.status == MessageStatus.SENDING,
        messages.c.lease_until >= now,
    )
    if priority is not None:
        query = query.where(messages.c.priority == priority.value)
    return len(transaction.execute(query).all())


def _refused(
    whose: ColumnElement[bool], partition: int, reason: str, now: datetime
) -> ReturningUpdate[Any]:
    """Return the statement that refuses what waits in a home, but for what is just being taken up.

    A dispatcher takes up messages first and then holds their grants; who ends a grant holds it and
    then comes here. What the dispatcher has locked is passed over: it finds the grant ended.
    """
    waiting = (
        select(messages.c.partition, messages.c.id)
        .where(
            messages.c.partition == partition,
            messages.c.status.in_([MessageStatus.QUEUED, MessageStatus.DEFERRED]),
            whose,
        )
        .with_for_update(skip_locked=True)  # SQLite has one writer, and knows no such clause
    )
    return (
        update(messages)
        .where(
            messages.c.partition == partition,
            tuple_(messages.c.partition, messages.c.id).in_(waiting),
        )
        .values(
            status=MessageStatus.REFUSED,
            reason=reason,
            changed_at=now,
            sealed_number=None,
            wrapped_key=None,
        )
        .returning(*messages.c)
    )


def refuse_queued(
    transaction: Transaction, grant: RowKey, reason: str, now: datetime
) -> list[Message]:
    """Refuse what waits under a grant; return it. What is in a dispatcher's hands is not here."""
    under_it = messages.c.grant_id == grant.id
    rows = transaction.execute(_refused(under_it, grant.partition, reason, now))
    return [_message(row) for row in rows]


def refuse_queued_invitations(transaction: Transaction, partition: int, now: datetime) -> int:
    """Refuse the invitations that wait to leave to a recipient; return how many."""
    invitations = messages.c.purpose == INVITATION_PURPOSE
    return len(transaction.execute(_refused(invitations, partition, "withheld", now)).all())


def last_submitted_at(transaction: Transaction, grant: RowKey) -> datetime | None:
    """Return when the last message under a grant was handed over; None if none ever was."""
    left: datetime | None = transaction.scalar(
        select(messages.c.send_at)
        .where(
            messages.c.partition == grant.partition,
            messages.c.grant_id == grant.id,
            messages.c.status.in_(SUBMITTED_STATUSES),
        )
        .order_by(messages.c.send_at.desc())
        .limit(1)
    )
    return left


def find(transaction: Transaction, key: RowKey) -> Message | None:
    """Return the message at an address; None if there is none."""
    row = transaction.execute(
        select(messages).where(messages.c.partition == key.partition, messages.c.id == key.id)
    ).one_or_none()
    return _message(row) if row else None


def by_reference(
    transaction: Transaction,
    merchant_id: str,
    reference: str,
    *,
    after: tuple[datetime, int] | None,
    limit: int,
) -> list[Message]:
    """Return a merchant's messages of one reference, the oldest first."""
    query = select(messages).where(
        messages.c.merchant_id == merchant_id, messages.c.reference == reference
    )
    if after is not None:
        accepted, number = after
        query = query.where(
            (messages.c.accepted_at > accepted)
            | ((messages.c.accepted_at == accepted) & (messages.c.id > number))
        )
    query = query.order_by(messages.c.accepted_at, messages.c.id).limit(limit)
    return [_message(row) for row in transaction.execute(query)]


def of_grant(transaction: Transaction, grant: RowKey, limit: int) -> list[Message]:
    """Return the messages of a grant, the newest first."""
    query = (
        select(messages)
        .where(messages.c.partition == grant.partition, messages.c.grant_id == grant.id)
        .order_by(messages.c.send_at.desc())
        .limit(limit)
    )
    return [_message(row) for row in transaction.execute(query)]


BY_GATEWAY_ID = """
SELECT m.gateway_id, m.partition, m.id, m.merchant_id, m.grant_id, m.reference
FROM {input} JOIN messages m ON m.gateway_id = input.id ORDER BY m.send_at
"""


@dataclass(frozen=True, slots=True)
class ReportedMessage:
    """As much of a message as a report about it needs."""

    key: RowKey
    merchant_id: str | None
    grant_id: int | None
    reference: str | None


def by_gateway_ids(
    transaction: Transaction, gateway_ids: Collection[str]
) -> dict[str, ReportedMessage]:
    """Return the messages that the gateway calls so, by its ids.

    Carriers use their ids again: of several it is the one that left last.
    """
    asked = RowSet({"id": "text"}, [(name,) for name in sorted(set(gateway_ids))])
    return {
        row.gateway_id: ReportedMessage(
            RowKey(row.partition, row.id), row.merchant_id, row.grant_id, row.reference
        )
        for row in asked.run(transaction, BY_GATEWAY_ID)
    }


REPORTS: Final = {**ROW_KEY_COLUMNS, "status": "text", "reason": "text"}
RECORD_REPORTS = """
UPDATE messages SET status = input.status, reason = input.reason, changed_at = :now
FROM {input}
WHERE messages.partition = input.partition AND messages.id = input.id
    AND messages.status IN ('sent', 'unknown')
RETURNING messages.partition AS partition, messages.id AS id
"""


def record_reports(
    transaction: Transaction,
    reports: Mapping[RowKey, tuple[MessageStatus, str | None]],
    now: datetime,
) -> frozenset[RowKey]:
    """Record what the gateway reports; return what was news. A final state never changes."""
    rows = [(*key, status.value, reason) for key, (status, reason) in sorted(reports.items())]
    put = RowSet(REPORTS, rows).run(transaction, RECORD_REPORTS, now=int(now.timestamp()))
    return frozenset(RowKey(row.partition, row.id) for row in put)


def delete_texts_of(transaction: Transaction, partition: int) -> None:
    """Forget every text to a recipient."""
    transaction.execute(update(messages).where(messages.c.partition == partition).values(text=None))


def delete_texts_before(transaction: Transaction, before: datetime) -> int:
    """Forget the texts of messages that have been over since `before`; return how many."""
    result = transaction.execute(
        update(messages)
        .where(
            messages.c.text.is_not(None),
            messages.c.changed_at < before,
            messages.c.status.not_in(
                [MessageStatus.QUEUED, MessageStatus.DEFERRED, MessageStatus.SENDING]
            ),
        )
        .values(text=None)
    )
    return result.rowcount


def _row(message: Message) -> tuple[Any, ...]:
    return (
        *message.key,
        message.grant_id,
        message.merchant_id,
        message.sender_id,
        message.priority.value,
        message.purpose,
        message.reference,
        message.status.value,
        message.reason,
        int(message.accepted_at.timestamp()),
        int(message.send_at.timestamp()),
        int(message.valid_until.timestamp()),
        int(message.changed_at.timestamp()),
        message.segments,
        message.attempts,
        message.sealed_number,
        message.wrapped_key,
        message.text,
    )


def _leased(row: Sequence[Any]) -> Message:
    """Return the message in a row of bare SQL, in the order of COLUMN_NAMES; times are seconds."""
    (
        partition, message_id, grant_id, merchant_id, sender_id, priority, purpose, reference,
        status, reason, accepted, send_at, valid_until, changed, segments, attempts,
        sealed_number, wrapped_key, text_,
    ) = row  # fmt: skip
    return Message(  # positional: thousands a second
        RowKey(partition, message_id),
        None if grant_id is None else RowKey(partition, grant_id),
        merchant_id,
        sender_id,
        PRIORITIES[priority],
        purpose,
        STATUSES[status],
        utc_from_epoch(accepted),
        utc_from_epoch(send_at),
        utc_from_epoch(valid_until),
        utc_from_epoch(changed),
        segments,
        sealed_number,
        reference,
        reason,
        attempts,
        wrapped_key,
        text_,
    )


def _message(row: Row[Any]) -> Message:
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
    )
