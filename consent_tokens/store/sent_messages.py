"""What was sent in a period, recipient by recipient: for reports, not for decisions."""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import select

from consent_tokens.row_key import RowKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.messages import SUBMITTED_STATUSES
from consent_tokens.store.tables import messages


class SentMessage(Struct, frozen=True):
    """A merchant's message that was given to a gateway."""

    grant_key: RowKey
    merchant_id: str
    purpose: str
    priority: int
    send_at: datetime
    template_id: str | None
    sender_id: str | None


def sent_from(
    transaction: Transaction, partition: int, since: datetime, limit: int
) -> list[SentMessage]:
    """Return up to `limit` messages sent after `since`, by partition and time, from a partition on.

    Reads the whole table in the end: there is no index on the time of a message.
    """
    rows = transaction.execute(
        select(
            messages.c.partition,
            messages.c.grant_id,
            messages.c.merchant_id,
            messages.c.purpose,
            messages.c.priority,
            messages.c.send_at,
            messages.c.template_id,
            messages.c.sender_id,
        )
        .where(
            messages.c.partition >= partition,
            messages.c.grant_id.is_not(None),
            messages.c.merchant_id.is_not(None),
            messages.c.send_at > since,
            messages.c.status.in_(SUBMITTED_STATUSES),
        )
        .order_by(messages.c.partition, messages.c.send_at, messages.c.id)
        .limit(limit)
    )
    return [
        SentMessage(
            RowKey(row.partition, row.grant_id),
            row.merchant_id,
            row.purpose,
            row.priority,
            row.send_at,
            row.template_id,
            row.sender_id,
        )
        for row in rows
    ]
