"""Queries on the segments of long messages: their gateway ids, and what was reported of each."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from consent_tokens.relay.message import MessageOutcome, MessageStatus
from consent_tokens.row_key import RowKey
from consent_tokens.store.bulk import ROW_KEY_COLUMNS, RowSet, insert_rows
from consent_tokens.store.database import Transaction

COLUMNS: Final = ("partition", "id", "part", "gateway_id", "sent_at")


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """What was reported of one segment; `status` is None while nothing was."""

    part: int
    status: MessageStatus | None
    reason: str | None = None


def add(transaction: Transaction, outcomes: Sequence[MessageOutcome], now: datetime) -> None:
    """Insert the segments of messages that were sent in several, with one statement."""
    sent_at = int(now.timestamp())
    rows = [
        (*outcome.key, part, gateway_id, sent_at)
        for outcome in outcomes
        for part, gateway_id in enumerate(outcome.segment_ids, start=1)
        if gateway_id is not None
    ]
    insert_rows(transaction, "message_segments", COLUMNS, rows, or_ignore=True)


REPORT_COLUMNS: Final = {
    **ROW_KEY_COLUMNS, "part": "bigint", "status": "text", "reason": "text",
}  # fmt: skip
RECORD = """
UPDATE message_segments SET status = input.status, reason = input.reason
FROM {input}
WHERE message_segments.partition = input.partition AND message_segments.id = input.id
    AND message_segments.part = input.part AND message_segments.status IS NULL
"""


def record(transaction: Transaction, reports: Mapping[RowKey, Sequence[SegmentReport]]) -> None:
    """Record what is reported of segments; the first report of a segment stays."""
    rows = [
        (*key, each.part, each.status.value if each.status else None, each.reason)
        for key, of_message in sorted(reports.items())
        for each in of_message
    ]
    RowSet(REPORT_COLUMNS, rows).run(transaction, RECORD)


REPORTED = """
SELECT s.partition, s.id, s.part, s.status, s.reason
FROM {input} JOIN message_segments s ON s.partition = input.partition AND s.id = input.id
ORDER BY s.part
"""


def of_messages(
    transaction: Transaction, keys: Collection[RowKey]
) -> Mapping[RowKey, list[SegmentReport]]:
    """Return the segments of messages, each with what was reported of it."""
    found: dict[RowKey, list[SegmentReport]] = defaultdict(list)
    for row in RowSet(ROW_KEY_COLUMNS, sorted(keys)).run(transaction, REPORTED):
        status = MessageStatus(row.status) if row.status else None
        found[RowKey(row.partition, row.id)].append(SegmentReport(row.part, status, row.reason))
    return found


SETTLE_LATER = """
UPDATE message_segments SET settle_at = :settle_at
FROM {input}
WHERE message_segments.partition = input.partition AND message_segments.id = input.id
    AND message_segments.status = CASE WHEN input.id IS NOT NULL THEN 'delivered' END
    AND message_segments.settle_at IS NULL
"""  # CASE: else SQLite indexes all delivered segments for itself, of many rows of input


def settle_later(transaction: Transaction, keys: Collection[RowKey], settle_at: datetime) -> None:
    """Set when messages count as delivered of which some segments are reported as delivered."""
    RowSet(ROW_KEY_COLUMNS, sorted(keys)).run(
        transaction, SETTLE_LATER, settle_at=int(settle_at.timestamp())
    )


TAKE_DUE = text("""
UPDATE message_segments SET settle_at = NULL
WHERE settle_at <= :now RETURNING partition, id
""")


def take_due(transaction: Transaction, now: datetime) -> frozenset[RowKey]:
    """Return the messages whose other segments were not reported in time, once each."""
    rows = transaction.execute(TAKE_DUE, {"now": int(now.timestamp())})
    return frozenset(RowKey(row.partition, row.id) for row in rows)
