"""The record of what happened. There is no way here to change or remove a line."""

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select

from consent_tokens.consent.grant import EndReason
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.store.bulk import insert_rows
from consent_tokens.store.database import Transaction
from consent_tokens.store.tables import events

COLUMNS: Final = (
    "partition", "id", "at", "kind", "merchant_id", "grant_id", "message_id", "reason",
)  # fmt: skip
NUMBER_BYTES: Final = 8

Draw = Callable[[int], bytes]


def record(transaction: Transaction, events_to_record: Sequence[Event], draw: Draw) -> None:
    """Add lines with one statement; `draw` gives each its random number."""
    numbers = struct.unpack(
        f">{len(events_to_record)}q", draw(NUMBER_BYTES * len(events_to_record))
    )
    insert_rows(
        transaction,
        "events",
        COLUMNS,
        [
            (
                line.partition,
                number,
                int(line.at.timestamp()),
                line.kind.value,
                line.merchant_id,
                line.grant_id,
                line.message_id,
                line.reason,
            )
            for number, line in zip(numbers, events_to_record, strict=True)
        ],
    )


def of_partition(transaction: Transaction, partition: int, since: datetime) -> list[Event]:
    """Return what happened in a home, the oldest first."""
    rows = transaction.execute(
        select(events)
        .where(events.c.partition == partition, events.c.at >= since)
        .order_by(events.c.at, events.c.id)
    )
    return [
        Event(
            partition=row.partition,
            at=row.at,
            kind=EventKind(row.kind),
            merchant_id=row.merchant_id,
            grant_id=row.grant_id,
            message_id=row.message_id,
            reason=row.reason,
        )
        for row in rows
    ]


def refusals_of(transaction: Transaction, partition: int) -> list[Event]:
    """Return the messages to a recipient that the relay refused, the newest first."""
    found = of_partition(transaction, partition, datetime.fromtimestamp(0, UTC))
    return [
        each for each in reversed(found) if each.kind is EventKind.MESSAGE_REFUSED and each.grant_id
    ]


def reassigned_grants_of(transaction: Transaction, partition: int) -> frozenset[int]:
    """Return the grants, by number, that ended because the number has another owner now."""
    found = of_partition(transaction, partition, datetime.fromtimestamp(0, UTC))
    return frozenset(
        each.grant_id
        for each in found
        if each.kind is EventKind.GRANT_ENDED
        and each.reason == EndReason.NUMBER
        and each.grant_id is not None
    )
