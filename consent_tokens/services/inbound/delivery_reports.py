"""Delivery reports (DLR): record what became of messages, and which numbers no longer exist."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.gateways.base import DeliveryReport
from consent_tokens.relay.message import MessageStatus
from consent_tokens.row_key import RowKey
from consent_tokens.services import webhooks
from consent_tokens.services.erasure import number_deactivated
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import messages
from consent_tokens.store.database import Transaction
from consent_tokens.store.messages import ReportedMessage

_ReportedStatus: TypeAlias = tuple[MessageStatus, str | None]  # with the carrier's status text


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
        reported = {
            found[report.gateway_id].key: _status_of(report)
            for report in reversed(matched)  # of two reports about one message the first counts
        }
        updated = messages.record_reports(transaction, reported, now)
        changed = [message for message in found.values() if message.key in updated]
        _record_changes(runtime, transaction, changed, reported, now)
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


def _record_changes(
    runtime: Runtime,
    transaction: Transaction,
    changed: Sequence[ReportedMessage],
    reported: Mapping[RowKey, _ReportedStatus],
    now: datetime,
) -> None:
    """Record an event for each changed message, and notify its merchant."""
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


def _status_of(report: DeliveryReport) -> _ReportedStatus:
    if report.was_delivered:
        return MessageStatus.DELIVERED, None
    return MessageStatus.UNDELIVERABLE, report.status_text
