"""Queries that the operator's overview asks: texts after a stop, and texts a person got today.

Both look at a bounded number of consents or people, by their keys.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select

from consent_tokens.consent.grant import GrantStatus
from consent_tokens.relay.message import MessageStatus
from consent_tokens.store.bulk import ROW_KEY_COLUMNS, RowSet
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import HAS_NO_KEY, grants, recipients

LEFT_AFTER: Final = f"""
SELECT COUNT(*) AS texts FROM {{input}}
JOIN messages m ON m.partition = input.partition AND m.grant_id = input.id
WHERE m.send_at > input.ended_at AND m.gateway_id IS NOT NULL
    AND m.status IN ('{MessageStatus.SENT.value}', '{MessageStatus.DELIVERED.value}',
        '{MessageStatus.UNKNOWN.value}', '{MessageStatus.UNDELIVERABLE.value}')
"""  # noqa: S608 - the names are this package's own
TEXTS_OF_PEOPLE: Final = f"""
SELECT m.partition, COUNT(*) AS texts FROM {{input}}
JOIN messages m ON m.partition = input.partition
WHERE m.send_at >= :since AND m.send_at <= :now AND m.merchant_id IS NOT NULL
    AND m.status IN ('{MessageStatus.SENT.value}', '{MessageStatus.DELIVERED.value}',
        '{MessageStatus.UNKNOWN.value}')
GROUP BY m.partition
"""  # noqa: S608 - the names are this package's own


def texts_after_stop(transaction: Transaction, since: datetime, limit: int) -> tuple[int, int]:
    """Return how many consents ended since then, and how many texts left under them after that.

    Of the last `limit` of them.
    """
    rows = transaction.execute(
        select(grants.c.partition, grants.c.id, grants.c.status_since)
        .where(HAS_NO_KEY, grants.c.status == GrantStatus.REVOKED, grants.c.status_since >= since)
        .order_by(grants.c.status_since.desc())
        .limit(limit)
    ).all()
    ended = [(row.partition, row.id, int(row.status_since.timestamp())) for row in rows]
    counted = RowSet({**ROW_KEY_COLUMNS, "ended_at": "bigint"}, ended).run(transaction, LEFT_AFTER)
    return len(ended), sum(row.texts for row in counted)


def texts_of_people(
    transaction: Transaction, start: int, limit: int, since: datetime, now: datetime
) -> Sequence[int]:
    """Return how many texts each of `limit` people got since then, of those who got any.

    They are the ones whose partitions follow `start`: a fair sample, because those are random.
    """
    partitions = recipients.c.partition
    ordered = select(partitions).order_by(partitions).limit(limit)
    people = transaction.scalars(ordered.where(partitions >= start)).all()
    if len(people) < limit:
        people = [*people, *transaction.scalars(ordered.where(partitions < start))][:limit]
    rows = RowSet({"partition": "bigint"}, [(each,) for each in people]).run(
        transaction,
        TEXTS_OF_PEOPLE,
        since=int(since.timestamp()),
        now=int(now.timestamp()),
    )
    return [row.texts for row in rows]
