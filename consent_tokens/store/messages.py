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
from consent_tokens.crypto.opaque_ids import RowKey
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
from consent_tokens.store.database import ROW_KEY_COLUMNS, RowSet, Transaction, insert_rows
from consent_tokens.store.tables import messages

COLUMN_NAMES: Final = (
    "home", "number", "grant_number", "merchant_id", "sender_id", "rank", "purpose", "reference",
    "state", "reason", "accepted_at", "leaves_at", "valid_until", "changed_at", "segments",
    "attempts", "box", "wrapped_key", "text",
)  # fmt: skip


COLUMNS: Final = ", ".join(COLUMN_NAMES)


def enqueue(transaction: Transaction, laid_out: Sequence[Message]) -> None:
    """Lay messages in the outbox with one statement: from here on none is lost (promise 7)."""
    insert_rows(transaction, "messages", COLUMN_NAMES, [_row(message) for message in laid_out])


PRIORITIES: Final = {rank.value: rank for rank in Priority}  # quicker than asking the enumeration
STATUSES: Final = {state.value: state for state in MessageStatus}
SUBMITTED_STATUSES: Final = (
    MessageStatus.SENDING,
    MessageStatus.SENT,
    MessageStatus.DELIVERED,
    MessageStatus.UNDELIVERABLE,
    MessageStatus.UNKNOWN,
)
COUNTED_SENDS = """
SELECT m.home, m.number, m.grant_number, m.rank, m.leaves_at, m.state
FROM {asked} JOIN messages m ON m.home = asked.home AND m.grant_number = asked.number
WHERE m.accepted_at > :accepted_since AND m.leaves_at > :since
    AND m.state NOT IN ('refused', 'expired')
ORDER BY m.leaves_at
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
        home, number, grant_number, rank, leaves_at, state = row
        if number not in but:
            slot = CountedSend(
                number, PRIORITIES[rank], utc_from_epoch(leaves_at), state not in WAITING
            )
            found[RowKey(home, grant_number)].append(slot)
    return found


MARKETING_SENDS = """
SELECT m.home, m.number, m.rank, m.leaves_at, m.state
FROM {asked} JOIN messages m ON m.home = asked.home
WHERE m.leaves_at > :since AND m.rank = :rank AND m.state NOT IN ('refused', 'expired')
ORDER BY m.leaves_at
"""


def marketing_sends_of(
    transaction: Transaction, homes: Collection[int], since: datetime
) -> Mapping[int, list[CountedSend]]:
    """Return what counts against recipients' own limits: marketing, over all merchants."""
    found: dict[int, list[CountedSend]] = defaultdict(list)
    asked = RowSet({"home": "bigint"}, [(home,) for home in sorted(set(homes))])
    rank = Priority.MARKETING.value
    for row in asked.run(transaction, MARKETING_SENDS, since=int(since.timestamp()), rank=rank):
        home, number, rank_, leaves_at, state = row
        leaves = utc_from_epoch(leaves_at)
        found[home].append(CountedSend(number, Priority(rank_), leaves, state not in WAITING))
    return found


LEASE = f"""
UPDATE messages
SET state = 'sending', attempts = attempts + 1, lease_until = :until, leaves_at = :now,
    changed_at = :now
WHERE state IN ('queued', 'deferred') AND (home, number) IN (
    SELECT home, number FROM messages
    WHERE state IN ('queued', 'deferred') AND rank = :rank AND leaves_at <= :now
        AND {{whose}}
    ORDER BY leaves_at LIMIT :most)
RETURNING {COLUMNS}
"""  # noqa: S608 - the names are this package's own
LEASE_SERVICE = text(LEASE.format(whose="merchant_id IS NULL"))
LEASE_MERCHANTS = text(LEASE.format(whose="merchant_id = :merchant_id"))
# steps from one merchant to the next by the index, however many messages each of them has
MERCHANTS_DUE = text("""
WITH RECURSIVE waits(id) AS (
    SELECT MIN(merchant_id) FROM messages
    WHERE state IN ('queued', 'deferred') AND rank = :rank AND merchant_id IS NOT NULL
    UNION ALL
    SELECT (SELECT MIN(merchant_id) FROM messages
            WHERE state IN ('queued', 'deferred') AND rank = :rank AND merchant_id > waits.id)
    FROM waits WHERE waits.id IS NOT NULL)
SELECT waits.id, (SELECT MIN(leaves_at) FROM messages
                  WHERE state IN ('queued', 'deferred') AND rank = :rank
                      AND merchant_id = waits.id) AS first
FROM waits WHERE waits.id IS NOT NULL
""")


def merchants_due(transaction: Transaction, rank: Priority, now: datetime) -> list[str]:
    """Return the merchants that have a message of a rank due, by id."""
    rows = transaction.execute(MERCHANTS_DUE, {"rank": rank.value})
    return [row.id for row in rows if row.first <= int(now.timestamp())]


def lease(
    transaction: Transaction,
    rank: Priority,
    merchant_id: str | None,
    now: datetime,
    *,
    until: datetime,
    most: int,
) -> list[Message]:
    """Take a merchant's (or the service's own) due messages of a rank, the oldest first.

    They are out of the hands of every other dispatcher: each is `sending` until its outcome is
    recorded or `until` is past.
    """
    asked = {
        "now": int(now.timestamp()),
        "until": int(until.timestamp()),
        "rank": rank.value,
        "most": most,
    }
    rows = (
        transaction.execute(LEASE_SERVICE, asked)
        if merchant_id is None
        else transaction.execute(LEASE_MERCHANTS, asked | {"merchant_id": merchant_id})
    )
    return [_leased(row) for row in rows.all()]


DEPTH = text("""
SELECT count(*), min(leaves_at) FROM (
    SELECT leaves_at FROM messages
    WHERE state IN ('queued', 'deferred') AND rank = :rank LIMIT :most) AS waiting
""")


def depth(transaction: Transaction, rank: Priority, most: int) -> tuple[int, datetime | None]:
    """Return how many messages of a rank wait (counting to `most`), and when the first was due."""
    count, first = transaction.execute(DEPTH, {"rank": rank.value, "most": most}).one()
    return count, None if first is None else utc_from_epoch(first)


OUTCOMES: Final = {
    **ROW_KEY_COLUMNS,
    "attempts": "bigint",
    "tries": "bigint",
    "state": "text",
    "leaves_at": "bigint",
    "reason": "text",
    "gateway_id": "text",
    "waits": "bigint",
}
# the last condition is of both sides: else a database may look through all that is `sending`, for
# each row that is asked, instead of finding each by its key
COMPLETE = """
UPDATE messages
SET state = asked.state, leaves_at = asked.leaves_at, reason = asked.reason,
    attempts = asked.tries,
    gateway_id = COALESCE(asked.gateway_id, messages.gateway_id), changed_at = :now,
    lease_until = NULL,
    box = CASE WHEN asked.waits = 1 THEN messages.box END,
    wrapped_key = CASE WHEN asked.waits = 1 THEN messages.wrapped_key END
FROM {asked}
WHERE messages.home = asked.home AND messages.number = asked.number
    AND messages.attempts = CASE WHEN messages.state = 'sending' THEN asked.attempts END
RETURNING messages.home AS home, messages.number AS number
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
    return frozenset(RowKey(row.home, row.number) for row in concluded)


EXPIRED_LEASES = text(f"""
UPDATE messages SET lease_until = NULL
WHERE state = 'sending' AND (lease_until < :before OR :is_all = 1)
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
            select(messages.c.number).where(
                messages.c.home == grant.partition,
                messages.c.grant_number == grant.id,
                messages.c.state == MessageStatus.SENDING,
                messages.c.lease_until >= now,
            )
        ).all()
    )


def in_flight_to_recipient(
    transaction: Transaction, home: int, now: datetime, rank: Priority | None = None
) -> int:
    """Return how many messages to a recipient a dispatcher holds in its hands."""
    query = select(messages.c.number).where(
        messages.c.home == home,
        messages.c.state == MessageStatus.SENDING,
        messages.c.lease_until >= now,
    )
    if rank is not None:
        query = query.where(messages.c.rank == rank.value)
    return len(transaction.execute(query).all())


def _refused(
    whose: ColumnElement[bool], home: int, reason: str, now: datetime
) -> ReturningUpdate[Any]:
    """Return the statement that refuses what waits in a home, but for what is just being taken up.

    A dispatcher takes up messages first and then holds their grants; who ends a grant holds it and
    then comes here. What the dispatcher has locked is passed over: it finds the grant ended.
    """
    waiting = (
        select(messages.c.home, messages.c.number)
        .where(
            messages.c.home == home,
            messages.c.state.in_([MessageStatus.QUEUED, MessageStatus.DEFERRED]),
            whose,
        )
        .with_for_update(skip_locked=True)  # SQLite has one writer, and knows no such clause
    )
    return (
        update(messages)
        .where(messages.c.home == home, tuple_(messages.c.home, messages.c.number).in_(waiting))
        .values(
            state=MessageStatus.REFUSED, reason=reason, changed_at=now, box=None, wrapped_key=None
        )
        .returning(*messages.c)
    )


def refuse_queued(
    transaction: Transaction, grant: RowKey, reason: str, now: datetime
) -> list[Message]:
    """Refuse what waits under a grant; return it. What is in a dispatcher's hands is not here."""
    under_it = messages.c.grant_number == grant.id
    rows = transaction.execute(_refused(under_it, grant.partition, reason, now))
    return [_message(row) for row in rows]


def refuse_queued_invitations(transaction: Transaction, home: int, now: datetime) -> int:
    """Refuse the invitations that wait to leave to a recipient; return how many."""
    invitations = messages.c.purpose == INVITATION_PURPOSE
    return len(transaction.execute(_refused(invitations, home, "withheld", now)).all())


def last_submitted_at(transaction: Transaction, grant: RowKey) -> datetime | None:
    """Return when the last message under a grant was handed over; None if none ever was."""
    left: datetime | None = transaction.scalar(
        select(messages.c.leaves_at)
        .where(
            messages.c.home == grant.partition,
            messages.c.grant_number == grant.id,
            messages.c.state.in_(SUBMITTED_STATUSES),
        )
        .order_by(messages.c.leaves_at.desc())
        .limit(1)
    )
    return left


def find(transaction: Transaction, address: RowKey) -> Message | None:
    """Return the message at an address; None if there is none."""
    row = transaction.execute(
        select(messages).where(
            messages.c.home == address.partition, messages.c.number == address.id
        )
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
            | ((messages.c.accepted_at == accepted) & (messages.c.number > number))
        )
    query = query.order_by(messages.c.accepted_at, messages.c.number).limit(limit)
    return [_message(row) for row in transaction.execute(query)]


def of_grant(transaction: Transaction, grant: RowKey, limit: int) -> list[Message]:
    """Return the messages of a grant, the newest first."""
    query = (
        select(messages)
        .where(messages.c.home == grant.partition, messages.c.grant_number == grant.id)
        .order_by(messages.c.leaves_at.desc())
        .limit(limit)
    )
    return [_message(row) for row in transaction.execute(query)]


BY_GATEWAY_ID = """
SELECT m.gateway_id, m.home, m.number, m.merchant_id, m.grant_number, m.reference
FROM {asked} JOIN messages m ON m.gateway_id = asked.id ORDER BY m.leaves_at
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
            RowKey(row.home, row.number), row.merchant_id, row.grant_number, row.reference
        )
        for row in asked.run(transaction, BY_GATEWAY_ID)
    }


REPORTS: Final = {**ROW_KEY_COLUMNS, "state": "text", "reason": "text"}
RECORD_REPORTS = """
UPDATE messages SET state = asked.state, reason = asked.reason, changed_at = :now
FROM {asked}
WHERE messages.home = asked.home AND messages.number = asked.number
    AND messages.state IN ('sent', 'unknown')
RETURNING messages.home AS home, messages.number AS number
"""


def record_reports(
    transaction: Transaction,
    reports: Mapping[RowKey, tuple[MessageStatus, str | None]],
    now: datetime,
) -> frozenset[RowKey]:
    """Record what the gateway reports; return what was news. A final state never changes."""
    rows = [(*address, state.value, reason) for address, (state, reason) in sorted(reports.items())]
    put = RowSet(REPORTS, rows).run(transaction, RECORD_REPORTS, now=int(now.timestamp()))
    return frozenset(RowKey(row.home, row.number) for row in put)


def delete_texts_of(transaction: Transaction, home: int) -> None:
    """Forget every text to a recipient."""
    transaction.execute(update(messages).where(messages.c.home == home).values(text=None))


def delete_texts_before(transaction: Transaction, before: datetime) -> int:
    """Forget the texts of messages that have been over since `before`; return how many."""
    result = transaction.execute(
        update(messages)
        .where(
            messages.c.text.is_not(None),
            messages.c.changed_at < before,
            messages.c.state.not_in(
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
    """Return the message in a row of bare SQL, in the order of PUT_OUT; moments are seconds."""
    (
        home, number, grant_number, merchant_id, sender_id, rank, purpose, reference, state, reason,
        accepted, leaves, valid_until, changed, segments, attempts, box, wrapped_key, text_,
    ) = row  # fmt: skip
    return Message(  # by place: of thousands a second
        RowKey(home, number),
        None if grant_number is None else RowKey(home, grant_number),
        merchant_id,
        sender_id,
        PRIORITIES[rank],
        purpose,
        STATUSES[state],
        utc_from_epoch(accepted),
        utc_from_epoch(leaves),
        utc_from_epoch(valid_until),
        utc_from_epoch(changed),
        segments,
        box,
        reference,
        reason,
        attempts,
        wrapped_key,
        text_,
    )


def _message(row: Row[Any]) -> Message:
    return Message(
        key=RowKey(row.home, row.number),
        grant_key=None if row.grant_number is None else RowKey(row.home, row.grant_number),
        merchant_id=row.merchant_id,
        sender_id=row.sender_id,
        priority=Priority(row.rank),
        purpose=row.purpose,
        reference=row.reference,
        status=MessageStatus(row.state),
        reason=row.reason,
        accepted_at=row.accepted_at,
        send_at=row.leaves_at,
        valid_until=row.valid_until,
        changed_at=row.changed_at,
        segments=row.segments,
        attempts=row.attempts,
        sealed_number=row.box,
        wrapped_key=row.wrapped_key,
        text=row.text,
    )
