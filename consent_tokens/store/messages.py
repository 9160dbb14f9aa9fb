"""Questions about messages: what is to go, what went, and what became of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, select, text, update

from consent_tokens.crypto.handles import Address
from consent_tokens.relay.message import Message, MessageState, Outcome, Rank, Slot
from consent_tokens.store.engine import ADDRESSES, Asked, Transaction, insert_rows
from consent_tokens.store.tables import messages

PUT_OUT: Final = (
    "home", "number", "grant_number", "merchant_id", "sender_id", "rank", "purpose", "reference",
    "state", "reason", "accepted_at", "leaves_at", "valid_until", "changed_at", "segments",
    "attempts", "box", "wrapped_key", "text",
)  # fmt: skip


COLUMNS: Final = ", ".join(PUT_OUT)


def put_out(transaction: Transaction, laid_out: Sequence[Message]) -> None:
    """Lay messages in the outbox with one statement: from here on none is lost (promise 7)."""
    insert_rows(transaction, "messages", PUT_OUT, [_row(message) for message in laid_out])


WAITING: Final = frozenset({MessageState.QUEUED, MessageState.DEFERRED})
SLOTS = """
SELECT m.home, m.number, m.grant_number, m.rank, m.leaves_at, m.state
FROM {asked} JOIN messages m ON m.home = asked.home AND m.grant_number = asked.number
WHERE m.leaves_at > :since AND m.state NOT IN ('refused', 'expired')
ORDER BY m.leaves_at
"""


def slots(
    transaction: Transaction, grants: Sequence[Address], since: datetime
) -> Mapping[Address, list[Slot]]:
    """Return what counts against the caps of these grants, each in ascending order.

    Messages that were refused or that expired cost nothing.
    """
    found: dict[Address, list[Slot]] = defaultdict(list)
    asked = Asked(ADDRESSES, sorted(set(grants)))
    for row in asked.run(transaction, SLOTS, since=int(since.timestamp())):
        home, number, grant_number, rank, leaves_at, state = row
        leaves = datetime.fromtimestamp(leaves_at, UTC)
        slot = Slot(number, Rank(rank), leaves, state not in WAITING)
        found[Address(home, grant_number)].append(slot)
    return found


LEASE = text(f"""
UPDATE messages
SET state = 'sending', attempts = attempts + 1, lease_until = :until, leaves_at = :now,
    changed_at = :now
WHERE state IN ('queued', 'deferred') AND (home, number) IN (
    SELECT home, number FROM messages
    WHERE state IN ('queued', 'deferred') AND rank = :rank AND leaves_at <= :now
    ORDER BY leaves_at LIMIT :most)
RETURNING {COLUMNS}
""")  # noqa: S608 - the names are this package's own


def lease(transaction: Transaction, now: datetime, *, until: datetime, most: int) -> list[Message]:
    """Take due messages out of the hands of every other dispatcher, transactional before marketing.

    Each is `sending` until its outcome is recorded or `until` is past.
    """
    leased: list[Message] = []
    for rank in Rank:
        if len(leased) < most:
            rows = transaction.execute(
                LEASE,
                {
                    "now": int(now.timestamp()),
                    "until": int(until.timestamp()),
                    "rank": rank.value,
                    "most": most - len(leased),
                },
            )
            leased += [_leased(row) for row in rows]
    return leased


OUTCOMES: Final = {
    **ADDRESSES,
    "attempts": "bigint",
    "state": "text",
    "leaves_at": "bigint",
    "reason": "text",
    "gateway_id": "text",
    "waits": "bigint",
}
CONCLUDE = """
UPDATE messages
SET state = asked.state, leaves_at = asked.leaves_at, reason = asked.reason,
    gateway_id = COALESCE(asked.gateway_id, messages.gateway_id), changed_at = :now,
    lease_until = NULL,
    box = CASE WHEN asked.waits = 1 THEN messages.box END,
    wrapped_key = CASE WHEN asked.waits = 1 THEN messages.wrapped_key END
FROM {asked}
WHERE messages.home = asked.home AND messages.number = asked.number
    AND messages.attempts = asked.attempts AND messages.state = 'sending'
RETURNING messages.home AS home, messages.number AS number
"""


def conclude(
    transaction: Transaction, outcomes: Sequence[Outcome], now: datetime
) -> frozenset[Address]:
    """Record what became of leased messages with one statement; return which were still ours."""
    rows = [
        (
            *outcome.address,
            outcome.attempts,
            outcome.state.value,
            int(outcome.leaves.timestamp()),
            outcome.reason,
            outcome.gateway_id,
            int(outcome.state.is_waiting),
        )
        for outcome in sorted(outcomes, key=lambda outcome: outcome.address)
    ]
    concluded = Asked(OUTCOMES, rows).run(transaction, CONCLUDE, now=int(now.timestamp()))
    return frozenset(Address(row.home, row.number) for row in concluded)


STALE = text(f"""
UPDATE messages SET lease_until = NULL
WHERE state = 'sending' AND lease_until IS NOT NULL AND lease_until < :now
RETURNING {COLUMNS}
""")  # noqa: S608 - the names are this package's own


def stale(transaction: Transaction, now: datetime) -> list[Message]:
    """Return the messages whose dispatcher did not come back within its lease, held."""
    return [_leased(row) for row in transaction.execute(STALE, {"now": int(now.timestamp())})]


def under_way(transaction: Transaction, grant: Address) -> int:
    """Return how many messages of a grant a dispatcher holds in its hands."""
    return len(
        transaction.execute(
            select(messages.c.number).where(
                messages.c.home == grant.home,
                messages.c.grant_number == grant.number,
                messages.c.state == MessageState.SENDING,
            )
        ).all()
    )


def find(transaction: Transaction, address: Address) -> Message | None:
    """Return the message at an address; None if there is none."""
    row = transaction.execute(
        select(messages).where(messages.c.home == address.home, messages.c.number == address.number)
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


def under_grant(transaction: Transaction, grant: Address, limit: int) -> list[Message]:
    """Return the messages of a grant, the newest first."""
    query = (
        select(messages)
        .where(messages.c.home == grant.home, messages.c.grant_number == grant.number)
        .order_by(messages.c.leaves_at.desc())
        .limit(limit)
    )
    return [_message(row) for row in transaction.execute(query)]


def by_gateway_id(transaction: Transaction, gateway_id: str) -> Message | None:
    """Return the message that the gateway calls so; None if there is none.

    Carriers use their ids again: of several it is the one that left last.
    """
    row = transaction.execute(
        select(messages)
        .where(messages.c.gateway_id == gateway_id)
        .order_by(messages.c.leaves_at.desc())
        .limit(1)
    ).one_or_none()
    return _message(row) if row else None


def put_report(
    transaction: Transaction,
    address: Address,
    state: MessageState,
    reason: str | None,
    at: datetime,
) -> bool:
    """Record what the gateway reports; whether it was news. A final state never changes."""
    result = transaction.execute(
        update(messages)
        .where(
            messages.c.home == address.home,
            messages.c.number == address.number,
            messages.c.state.in_([MessageState.SENT, MessageState.UNKNOWN]),
        )
        .values(state=state, reason=reason, changed_at=at)
    )
    return result.rowcount == 1


def drop_texts(transaction: Transaction, before: datetime) -> int:
    """Forget the texts of messages that have been over since `before`; return how many."""
    result = transaction.execute(
        update(messages)
        .where(
            messages.c.text.is_not(None),
            messages.c.changed_at < before,
            messages.c.state.not_in(
                [MessageState.QUEUED, MessageState.DEFERRED, MessageState.SENDING]
            ),
        )
        .values(text=None)
    )
    return result.rowcount


def _row(message: Message) -> tuple[Any, ...]:
    return (
        *message.address,
        message.grant_number,
        message.merchant_id,
        message.sender_id,
        message.rank.value,
        message.purpose,
        message.reference,
        message.state.value,
        message.reason,
        int(message.accepted.timestamp()),
        int(message.leaves.timestamp()),
        int(message.valid_until.timestamp()),
        int(message.changed.timestamp()),
        message.segments,
        message.attempts,
        message.box,
        message.wrapped_key,
        message.text,
    )


def _leased(row: Sequence[Any]) -> Message:
    """Return the message in a row of bare SQL, in the order of PUT_OUT; moments are seconds."""
    (
        home, number, grant_number, merchant_id, sender_id, rank, purpose, reference, state, reason,
        accepted, leaves, valid_until, changed, segments, attempts, box, wrapped_key, text_,
    ) = row  # fmt: skip
    return Message(
        address=Address(home, number),
        grant_number=grant_number,
        merchant_id=merchant_id,
        sender_id=sender_id,
        rank=Rank(rank),
        purpose=purpose,
        reference=reference,
        state=MessageState(state),
        reason=reason,
        accepted=datetime.fromtimestamp(accepted, UTC),
        leaves=datetime.fromtimestamp(leaves, UTC),
        valid_until=datetime.fromtimestamp(valid_until, UTC),
        changed=datetime.fromtimestamp(changed, UTC),
        segments=segments,
        attempts=attempts,
        box=box,
        wrapped_key=wrapped_key,
        text=text_,
    )


def _message(row: Row[Any]) -> Message:
    return Message(
        address=Address(row.home, row.number),
        grant_number=row.grant_number,
        merchant_id=row.merchant_id,
        sender_id=row.sender_id,
        rank=Rank(row.rank),
        purpose=row.purpose,
        reference=row.reference,
        state=MessageState(row.state),
        reason=row.reason,
        accepted=row.accepted_at,
        leaves=row.leaves_at,
        valid_until=row.valid_until,
        changed=row.changed_at,
        segments=row.segments,
        attempts=row.attempts,
        box=row.box,
        wrapped_key=row.wrapped_key,
        text=row.text,
    )
