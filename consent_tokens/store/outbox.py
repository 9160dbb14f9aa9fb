"""The outbox: messages that wait to be sent, and those that a dispatcher has leased.

A message waits as `queued` or `deferred`. A dispatcher leases it (`sending`, until `lease_until`)
and records its outcome.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    String,
    TextClause,
    bindparam,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from consent_tokens.clock import epoch_of, utc_from_epoch
from consent_tokens.relay.message import (
    INVITATION_PURPOSE,
    Message,
    MessageOutcome,
    MessageStatus,
    Priority,
)
from consent_tokens.row_key import RowKey
from consent_tokens.store.bulk import ROW_KEY_COLUMNS, RowSet, insert_rows
from consent_tokens.store.database import Transaction, is_distributed
from consent_tokens.store.dispatch_pauses import PausedSubjects
from consent_tokens.store.messages import (
    COLUMN_NAMES,
    COLUMNS,
    PRIORITIES,
    STATUSES,
    message_from_row,
)
from consent_tokens.store.tables import messages


def enqueue(transaction: Transaction, enqueued: Sequence[Message]) -> None:
    """Insert messages into the outbox with one statement; committed, none is lost (promise 7)."""
    insert_rows(transaction, "messages", COLUMN_NAMES, [_row(message) for message in enqueued])


DUE = """
SELECT partition, id FROM messages
WHERE status IN ('queued', 'deferred') AND priority = :priority AND send_at <= :now AND {owner}
ORDER BY send_at LIMIT :limit"""
# Written so that no index of what waits is used to find the messages again: after statistics of an
# empty outbox PostgreSQL expects few rows in it, and would look through all of it for each.
STILL_WAITS = "status || '' IN ('queued', 'deferred')"
LEASE = f"""
UPDATE messages
SET status = 'sending', attempts = attempts + 1, lease_until = :until, send_at = :now,
    changed_at = :now
WHERE {STILL_WAITS} AND (partition, id) IN ({{due}})
RETURNING {COLUMNS}
"""  # noqa: S608 - the names are this package's own
# What another dispatcher is leasing is passed over: without that, this one would wait until the
# other has decided on its messages, and then find none. SQLite has a single writer, and Citus
# refuses to lock rows of several shards.
PLAIN_LEASE = LEASE.format(due=DUE)
SKIP_LOCKED = f"""
WITH due AS MATERIALIZED ({DUE} FOR UPDATE SKIP LOCKED)
{LEASE.format(due="SELECT partition, id FROM due")}"""  # noqa: S608 - see above


def _leases(owner: str, *lists: str) -> tuple[TextClause, TextClause]:
    """Return the statements that lease messages of an owner: waiting for other dispatchers, not.

    `lists` are the parameters that are lists.
    """
    parameters: list[BindParameter[Any]] = [bindparam(name, expanding=True) for name in lists]
    plain, skipping = (text(each.format(owner=owner)) for each in (PLAIN_LEASE, SKIP_LOCKED))
    return plain.bindparams(*parameters), skipping.bindparams(*parameters)


LEASE_SERVICE = _leases("merchant_id IS NULL")
LEASE_MERCHANT = _leases("merchant_id = :merchant_id")
LEASE_OTHER_SENDERS = _leases(
    "merchant_id = :merchant_id AND (sender_id IS NULL OR sender_id NOT IN :paused)", "paused"
)
# a loose index scan: one step per merchant, however many messages each has
MERCHANTS_DUE = text("""
WITH RECURSIVE waiting(id) AS (
    SELECT MIN(merchant_id) FROM messages
    WHERE status IN ('queued', 'deferred') AND priority = :priority AND merchant_id IS NOT NULL
    UNION ALL
    SELECT (SELECT MIN(merchant_id) FROM messages
            WHERE status IN ('queued', 'deferred') AND priority = :priority
                AND merchant_id > waiting.id)
    FROM waiting WHERE waiting.id IS NOT NULL)
SELECT waiting.id, (SELECT MIN(send_at) FROM messages
                  WHERE status IN ('queued', 'deferred') AND priority = :priority
                      AND merchant_id = waiting.id) AS first_due
FROM waiting WHERE waiting.id IS NOT NULL
""")


# Citus takes no recursive query of several shards. There each shard groups its own waiting
# messages: one round trip, where a loose scan from outside would take one for each merchant.
MERCHANTS_DUE_BY_SHARD = text("""
SELECT merchant_id AS id, MIN(send_at) AS first_due FROM messages
WHERE status IN ('queued', 'deferred') AND priority = :priority AND merchant_id IS NOT NULL
GROUP BY merchant_id
""")


def merchants_due(transaction: Transaction, priority: Priority, now: datetime) -> list[str]:
    """Return the ids of the merchants that have a message of `priority` due."""
    query = MERCHANTS_DUE_BY_SHARD if is_distributed(transaction) else MERCHANTS_DUE
    rows = transaction.execute(query, {"priority": priority.value})
    return [row.id for row in rows if row.first_due <= int(now.timestamp())]


def lease(  # noqa: PLR0913 - the bounds of one statement
    transaction: Transaction,
    priority: Priority,
    merchant_id: str | None,
    now: datetime,
    *,
    until: datetime,
    limit: int,
    paused_senders: Collection[str] = (),
) -> list[Message]:
    """Lease up to `limit` due messages of a merchant (None: of the service itself), oldest first.

    Those of `paused_senders` are left out.

    No other dispatcher can lease them: each is `sending` until its outcome is recorded or the
    lease, which ends at `until`, has expired.
    """
    parameters: dict[str, Any] = {
        "now": int(now.timestamp()),
        "until": int(until.timestamp()),
        "priority": priority.value,
        "limit": limit,
    }
    statements = LEASE_SERVICE
    if merchant_id is not None:
        parameters |= {"merchant_id": merchant_id}
        statements = LEASE_MERCHANT
        if paused_senders:
            parameters |= {"paused": list(paused_senders)}
            statements = LEASE_OTHER_SENDERS
    is_skipping = transaction.dialect.name != "sqlite" and not is_distributed(transaction)
    rows = transaction.execute(statements[is_skipping], parameters)
    return [_leased_message(row) for row in rows.all()]


# with all priorities, so that the index of what waits is used and not the whole table
IS_EXPIRED = (
    "status IN ('queued', 'deferred') AND priority IN (0, 1, 2) AND valid_until <= :now "
    "AND {subject}"
)
LEASE_EXPIRED = f"""
UPDATE messages
SET status = 'sending', attempts = attempts + 1, lease_until = :until, changed_at = :now
WHERE {STILL_WAITS} AND (partition, id) IN (
    SELECT partition, id FROM messages WHERE {IS_EXPIRED} LIMIT :limit)
RETURNING {COLUMNS}
"""  # noqa: S608 - the names are this package's own
FIND_EXPIRED = f"SELECT 1 FROM messages WHERE {IS_EXPIRED} LIMIT 1"  # noqa: S608 - likewise


def _of_paused(paused: PausedSubjects, statement: str) -> tuple[TextClause, dict[str, Any]]:
    """Return a statement on what is paused, and its parameters."""
    if paused.is_all:
        return text(statement.format(subject="1 = 1")), {}
    subject = "merchant_id IN :owners AND (merchant_id IN :merchants OR sender_id IN :senders)"
    query = text(statement.format(subject=subject)).bindparams(
        *(
            bindparam(name, expanding=True, type_=String())
            for name in ("owners", "merchants", "senders")
        )
    )
    return query, {
        "owners": list(paused.merchants | paused.merchants_of_senders),
        "merchants": list(paused.merchants),
        "senders": list(paused.senders),
    }


def has_expired(transaction: Transaction, paused: PausedSubjects, now: datetime) -> bool:
    """Whether the validity of a message of what is paused has ended. May read all that waits."""
    query, parameters = _of_paused(paused, FIND_EXPIRED)
    found = transaction.execute(query, parameters | {"now": int(now.timestamp())})
    return found.first() is not None


def lease_expired(
    transaction: Transaction, paused: PausedSubjects, now: datetime, *, until: datetime, limit: int
) -> list[Message]:
    """Lease up to `limit` messages of what is paused whose validity has ended."""
    query, parameters = _of_paused(paused, LEASE_EXPIRED)
    parameters |= {"now": int(now.timestamp()), "until": int(until.timestamp()), "limit": limit}
    return [_leased_message(row) for row in transaction.execute(query, parameters).all()]


DEPTH = text("""
SELECT count(*), min(send_at) FROM (
    SELECT send_at FROM messages
    WHERE status IN ('queued', 'deferred') AND priority = :priority LIMIT :limit) AS waiting
""")


def depth(transaction: Transaction, priority: Priority, limit: int) -> tuple[int, datetime | None]:
    """Return how many messages of `priority` wait, counted up to `limit`, and the earliest due."""
    parameters = {"priority": priority.value, "limit": limit}
    count, first_due = transaction.execute(DEPTH, parameters).one()
    return count, None if first_due is None else utc_from_epoch(first_due)


OUTCOME_COLUMNS: Final = {
    **ROW_KEY_COLUMNS,
    "attempts": "bigint",
    "counted_attempts": "bigint",
    "status": "text",
    "send_at": "bigint",
    "reason": "text",
    "gateway_id": "text",
    "is_waiting": "bigint",
}
# The last condition names both tables, so that the planner finds each row by its key. With a plain
# `status = 'sending'` it may scan the index of all leased messages for each input row.
COMPLETE = """
UPDATE messages
SET status = input.status, send_at = input.send_at, reason = input.reason,
    attempts = input.counted_attempts,
    gateway_id = COALESCE(input.gateway_id, messages.gateway_id), changed_at = :now,
    lease_until = NULL,
    sealed_number = CASE WHEN input.is_waiting = 1 THEN messages.sealed_number END,
    wrapped_key = CASE WHEN input.is_waiting = 1 THEN messages.wrapped_key END
FROM {input}
WHERE messages.partition = input.partition AND messages.id = input.id
    AND messages.attempts = CASE WHEN messages.status = 'sending' THEN input.attempts END
RETURNING messages.partition AS partition, messages.id AS id
"""


def complete(
    transaction: Transaction, outcomes: Sequence[MessageOutcome], now: datetime
) -> frozenset[RowKey]:
    """Record the outcomes of leased messages with one statement.

    Returns the keys of those whose lease was still the caller's (`attempts` is unchanged).
    """
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
    completed = RowSet(OUTCOME_COLUMNS, rows).run(transaction, COMPLETE, now=int(now.timestamp()))
    return frozenset(RowKey(row.partition, row.id) for row in completed)


EXPIRED_LEASES = text(f"""
UPDATE messages SET lease_until = NULL
WHERE status = 'sending' AND (lease_until < :before OR :is_all = 1)
RETURNING {COLUMNS}
""")  # noqa: S608 - the names are this package's own


def expired_leases(transaction: Transaction, before: datetime | None) -> list[Message]:
    """End the leases that expired before `before` (None: all leases); return their messages.

    The messages stay `sending`, locked until the transaction ends: the caller records an outcome.
    """
    seconds = int(before.timestamp()) if before else 0
    rows = transaction.execute(EXPIRED_LEASES, {"before": seconds, "is_all": int(before is None)})
    return [_leased_message(row) for row in rows]


def in_flight_under_grant(transaction: Transaction, grant: RowKey, now: datetime) -> int:
    """Return how many messages of a grant are leased."""
    return in_flight_under_grants(transaction, grant.partition, [grant.id], now)


def in_flight_under_grants(
    transaction: Transaction, partition: int, grant_ids: Collection[int], now: datetime
) -> int:
    """Return how many messages of a recipient's grants are leased.

    An expired lease does not count: a dispatcher submits nothing past its lease.
    """
    return len(
        transaction.execute(
            select(messages.c.id).where(
                messages.c.partition == partition,
                messages.c.grant_id.in_(grant_ids),
                messages.c.status == MessageStatus.SENDING,
                messages.c.lease_until >= now,
            )
        ).all()
    )


def in_flight_to_recipient(
    transaction: Transaction, partition: int, now: datetime, priority: Priority | None = None
) -> int:
    """Return how many messages to a recipient are leased: of one priority, or of all."""
    query = select(messages.c.id).where(
        messages.c.partition == partition,
        messages.c.status == MessageStatus.SENDING,
        messages.c.lease_until >= now,
    )
    if priority is not None:
        query = query.where(messages.c.priority == priority.value)
    return len(transaction.execute(query).all())


def _refuse_waiting(
    condition: ColumnElement[bool], partition: int, reason: str, now: datetime
) -> ReturningUpdate[Any]:
    """Return the statement that refuses a partition's waiting messages that meet `condition`.

    It skips locked messages, to avoid a deadlock: a dispatcher locks messages, then their grants,
    and a revocation locks the grant first. The dispatcher then finds the grant revoked.
    """
    waiting = (
        select(messages.c.partition, messages.c.id)
        .where(
            messages.c.partition == partition,
            messages.c.status.in_([MessageStatus.QUEUED, MessageStatus.DEFERRED]),
            condition,
        )
        .with_for_update(skip_locked=True)  # left out on SQLite, which has a single writer
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
    """Refuse the waiting messages of a grant, with `reason`; return them. Leased ones are not."""
    is_of_grant = messages.c.grant_id == grant.id
    rows = transaction.execute(_refuse_waiting(is_of_grant, grant.partition, reason, now))
    return [message_from_row(row) for row in rows]


def refuse_queued_invitations(
    transaction: Transaction, partition: int, reason: str, now: datetime
) -> list[Message]:
    """Refuse the waiting invitations to a recipient, with `reason`; return them."""
    is_invitation = messages.c.purpose == INVITATION_PURPOSE
    rows = transaction.execute(_refuse_waiting(is_invitation, partition, reason, now))
    return [message_from_row(row) for row in rows]


def _row(message: Message) -> tuple[Any, ...]:
    return (
        *message.key,
        message.grant_key.id if message.grant_key else None,
        message.merchant_id,
        message.sender_id,
        int(message.priority),
        message.purpose,
        message.reference,
        message.status.value,
        message.reason,
        epoch_of(message.accepted_at),
        epoch_of(message.send_at),
        epoch_of(message.valid_until),
        epoch_of(message.changed_at),
        message.segments,
        message.attempts,
        message.sealed_number,
        message.wrapped_key,
        message.text,
        message.template_id,
        message.template_version,
        message.value_hashes,
        message.event_hash,
        message.pacing_id,
        message.pacing,
        epoch_of(message.held_from) if message.held_from else None,
    )


def _leased_message(row: Sequence[Any]) -> Message:
    """Return the message in a driver's row: columns as in COLUMN_NAMES, times in seconds."""
    (
        partition, message_id, grant_id, merchant_id, sender_id, priority, purpose, reference,
        status, reason, accepted, send_at, valid_until, changed, segments, attempts,
        sealed_number, wrapped_key, text_, template_id, template_version, value_hashes, event_hash,
        pacing_id, pacing, held_from,
    ) = row  # fmt: skip
    return Message(  # positional, because keywords are slower: this runs for every message
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
        template_id,
        template_version,
        value_hashes,
        event_hash,
        pacing_id,
        pacing,
        None if held_from is None else utc_from_epoch(held_from),
    )
