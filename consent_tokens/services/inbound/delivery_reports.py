"""What the gateway reports: what became of messages, and which numbers are no more."""

from collections.abc import Sequence

from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.gateways.base import DeliveryReport
from consent_tokens.relay.message import MessageStatus
from consent_tokens.services import webhooks
from consent_tokens.services.erasure import number_deactivated
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import messages
from consent_tokens.store.database import Transaction


def record_reports(runtime: Runtime, reports: Sequence[DeliveryReport]) -> list[DeliveryReport]:
    """Record what the gateway says became of messages; return the reports of none of ours.

    However many they are, they cost one transaction; but a report that there is no such subscriber
    any more ends what the number's former owner agreed to.
    """
    now = runtime.clock.now()

    def work(transaction: Transaction) -> tuple[list[DeliveryReport], set[int]]:
        found = messages.by_gateway_ids(transaction, [report.gateway_id for report in reports])
        told = {
            found[report.gateway_id].key: _status_of(report)
            for report in reversed(reports)  # of two about one message the first counts
            if report.gateway_id in found
        }
        fresh = messages.record_reports(transaction, told, now)
        ours = [each for each in found.values() if each.key in fresh]
        new_events = [
            Event(
                partition=each.key.partition,
                at=now,
                kind=EventKind.MESSAGE_REPORTED,
                merchant_id=each.merchant_id,
                grant_id=each.grant_id,
                message_id=each.key.id,
                reason=told[each.key][0].value,
            )
            for each in ours
        ]
        runtime.record(transaction, *new_events)
        news = [
            webhooks.message_status_event(
                runtime, each.key, each.merchant_id, each.reference, told[each.key]
            )
            for each in ours
            if each.merchant_id
        ]
        webhooks.enqueue(runtime, transaction, news, now)
        left = {
            found[report.gateway_id].key.partition
            for report in reports
            if report.is_deactivated
            and report.gateway_id in found
            and found[report.gateway_id].grant_id is not None
        }
        return [report for report in reports if report.gateway_id not in found], left

    if not reports:
        return []
    unknown, left = runtime.database.run(work)
    for partition in left:
        number_deactivated(runtime, partition)
    return unknown


def _status_of(report: DeliveryReport) -> tuple[MessageStatus, str | None]:
    if report.was_delivered:
        return MessageStatus.DELIVERED, None
    return MessageStatus.UNDELIVERABLE, report.status_text
