"""How many texts with an event merchants had in a period: for an alarm, not for decisions."""

from datetime import datetime

from sqlalchemy import func, select

from consent_tokens.relay.message import MessageStatus
from consent_tokens.relay.texts_per_event import EventTexts
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import messages


def count(transaction: Transaction, since: datetime, until: datetime) -> list[EventTexts]:
    """Return the texts and events of each merchant, of what was accepted in a period.

    Reads the messages of the period, by the index on their acceptance. Refused and expired ones do
    not count. The hash of an event is of 64 bits, and of its grant too.
    """
    rows = transaction.execute(
        select(
            messages.c.merchant_id,
            func.count().label("texts"),
            func.count(messages.c.event_hash.distinct()).label("events"),
        )
        .where(
            messages.c.accepted_at >= since,
            messages.c.accepted_at < until,
            messages.c.event_hash.is_not(None),
            messages.c.merchant_id.is_not(None),
            messages.c.status.not_in((MessageStatus.REFUSED, MessageStatus.EXPIRED)),
        )
        .group_by(messages.c.merchant_id)
        .order_by(messages.c.merchant_id)
    )
    return [EventTexts(row.merchant_id, row.texts, row.events) for row in rows]
