"""Delivery reports (DLR): record what became of messages, and which numbers no longer exist.

A message in several segments is undeliverable if any of them is. It is delivered once all of them
are, or once some are and nothing is reported of the others for SEGMENT_GRACE: carriers exist that
report only the first segment, or only the last. A failure that is reported after that corrects it.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.evidence.rollups import Counted, Measure
from consent_tokens.gateways.base import DeliveryReport, ReportedOutcome
from consent_tokens.relay.message import MessageStatus
from consent_tokens.relay.pacing import day_of
from consent_tokens.row_key import RowKey
from consent_tokens.services import webhooks
from consent_tokens.services.erasure import number_deactivated
from consent_tokens.services.rollups.counting import count
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import message_segments, messages
from consent_tokens.store.database import Transaction
from consent_tokens.store.message_segments import SegmentReport
from consent_tokens.store.messages import ReportedMessage

SEGMENT_GRACE: Final = timedelta(seconds=10)
STATUSES: Final = {
    ReportedOutcome.DELIVERED: MessageStatus.DELIVERED,
    ReportedOutcome.UNDELIVERABLE: MessageStatus.UNDELIVERABLE,
    ReportedOutcome.REFUSED: MessageStatus.REFUSED,
    ReportedOutcome.UNKNOWN: MessageStatus.SENT,
}

_ReportedStatus: TypeAlias = tuple[MessageStatus, str | None]  # with the carrier's status text


@dataclass(slots=True)
class _Reported:
    """What a batch of reports says, by message."""

    whole: dict[RowKey, _ReportedStatus] = field(default_factory=dict)
    segments: dict[RowKey, list[SegmentReport]] = field(default_factory=dict)

    def add(self, message: ReportedMessage, status: MessageStatus, reason: str | None) -> None:
        """Add a report. Of two about one message the first counts that says what became of it."""
        is_final = status is not MessageStatus.SENT
        if message.part is not None and is_final:
            report = SegmentReport(message.part, status, reason)
            of_message = self.segments.setdefault(message.key, [])
            if all(each.part != message.part for each in of_message):
                of_message.append(report)
        elif self.whole.get(message.key, (MessageStatus.SENT, None))[0] is MessageStatus.SENT:
            self.whole[message.key] = status, reason


def record_reports(runtime: Runtime, reports: Sequence[DeliveryReport]) -> list[DeliveryReport]:
    """Record delivery reports in one transaction; return those that match no recorded message.

    A report that the number no longer exists also revokes its recipient's grants. Raises what the
    database raises, and JournalUnavailableError.
    """
    if not reports:
        return []
    now = runtime.clock.now()

    def work(transaction: Transaction) -> tuple[list[DeliveryReport], set[int]]:
        found = messages.by_gateway_ids(transaction, [report.gateway_id for report in reports])
        matched = [report for report in reports if report.gateway_id in found]
        reported = _Reported()
        for report in matched:
            reported.add(found[report.gateway_id], *_status_of(report))
        by_segments = _record_segments(transaction, reported.segments, now)
        _record(runtime, transaction, reported.whole | by_segments, now, by_segments)
        deactivated = {
            found[report.gateway_id].key.partition
            for report in matched
            if report.is_deactivated and found[report.gateway_id].grant_id is not None
        }
        return [report for report in reports if report.gateway_id not in found], deactivated

    unknown, deactivated = runtime.database.run(work)
    for partition in deactivated:
        number_deactivated(runtime, partition)
    return unknown


def settle_partly_reported(runtime: Runtime) -> None:
    """Record messages as delivered of which some segments were, and no other was reported."""
    now = runtime.clock.now()

    def work(transaction: Transaction) -> None:
        due = message_segments.take_due(transaction, now)
        delivered: _ReportedStatus = (MessageStatus.DELIVERED, None)
        _record(runtime, transaction, dict.fromkeys(due, delivered), now)

    runtime.database.run(work)


def _record_segments(
    transaction: Transaction, reports: Mapping[RowKey, list[SegmentReport]], now: datetime
) -> dict[RowKey, _ReportedStatus]:
    """Record what is reported of segments; return the messages whose status that decides."""
    message_segments.record(transaction, reports)
    found = message_segments.of_messages(transaction, reports)
    decided = {
        key: status for key, of_message in found.items() if (status := _status_by(of_message))
    }
    undecided = [key for key in found if key not in decided]
    message_segments.settle_later(transaction, undecided, now + SEGMENT_GRACE)
    return decided


def _status_by(segments: Sequence[SegmentReport]) -> _ReportedStatus | None:
    """Return the status of a message by what was reported of its segments; None if open."""
    for each in segments:
        if each.status in {MessageStatus.UNDELIVERABLE, MessageStatus.REFUSED}:
            return each.status, each.reason
    is_delivered = all(each.status is MessageStatus.DELIVERED for each in segments)
    return (MessageStatus.DELIVERED, None) if is_delivered else None


def _record(
    runtime: Runtime,
    transaction: Transaction,
    reported: Mapping[RowKey, _ReportedStatus],
    now: datetime,
    corrections: Collection[RowKey] = (),
) -> None:
    """Record statuses, with an event for each changed message, and notify its merchant."""
    failures = [key for key in corrections if reported[key][0] is not MessageStatus.DELIVERED]
    corrected = messages.lock_delivered(transaction, failures)
    updated = messages.record_reports(transaction, reported, now, corrections=failures)
    changed = [each for each in updated if reported[each.key][0] is not MessageStatus.SENT]
    _count(runtime, transaction, reported, changed, corrected)
    runtime.record(
        transaction,
        *(
            Event(
                partition=message.key.partition,
                at=now,
                kind=EventKind.MESSAGE_REPORTED,
                merchant_id=message.merchant_id,
                grant_id=message.grant_id,
                message_id=message.key.id,
                reason=reported[message.key][0].value,
            )
            for message in changed
        ),
    )
    notifications = [
        webhooks.message_status_event(
            runtime, message.key, message.merchant_id, message.reference, reported[message.key]
        )
        for message in changed
        if message.merchant_id
    ]
    webhooks.enqueue(runtime, transaction, notifications, now)


def _count(
    runtime: Runtime,
    transaction: Transaction,
    reported: Mapping[RowKey, _ReportedStatus],
    changed: Sequence[ReportedMessage],
    corrected: Collection[RowKey],
) -> None:
    """Count what was reported, on the day on which each message was sent."""
    counts: Counter[Counted] = Counter()
    for each in changed:
        if each.counted_for is None or each.sent_at is None:
            continue
        is_delivered = reported[each.key][0] is MessageStatus.DELIVERED
        measure = Measure.DELIVERED if is_delivered else Measure.UNDELIVERED
        counted = Counted(day_of(each.sent_at), each.counted_for, measure)
        counts[counted] += 1
        if each.key in corrected:
            counts[counted._replace(measure=Measure.DELIVERED)] -= 1
    count(runtime, transaction, counts)


def _status_of(report: DeliveryReport) -> _ReportedStatus:
    status = STATUSES[report.outcome]
    return status, None if status is MessageStatus.DELIVERED else report.status_text
