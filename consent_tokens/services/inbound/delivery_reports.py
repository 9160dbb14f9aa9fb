"""What the gateway reports: what became of messages, and which numbers are no more."""

from collections.abc import Sequence

from consent_tokens.app_context import World
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.gateways.base import DeliveryReport
from consent_tokens.relay.message import MessageState
from consent_tokens.services.erasure import gone
from consent_tokens.services.webhooks import announce, of_message
from consent_tokens.store import events, messages
from consent_tokens.store.database import Transaction


def hear_reports(world: World, reports: Sequence[DeliveryReport]) -> list[DeliveryReport]:
    """Record what the gateway says became of messages; return the reports of none of ours.

    However many they are, they cost one transaction; but a report that there is no such subscriber
    any more ends what the number's former owner agreed to.
    """
    now = world.clock.now()

    def deed(transaction: Transaction) -> tuple[list[DeliveryReport], set[int]]:
        found = messages.by_gateway_ids(transaction, [report.gateway_id for report in reports])
        told = {
            found[report.gateway_id].address: _told(report)
            for report in reversed(reports)  # of two about one message the first counts
            if report.gateway_id in found
        }
        fresh = messages.put_reports(transaction, told, now)
        ours = [each for each in found.values() if each.address in fresh]
        lines = [
            Event(
                home=each.address.home,
                at=now,
                kind=Kind.MESSAGE_REPORTED,
                merchant_id=each.merchant_id,
                grant=each.grant_number,
                message=each.address.number,
                code=told[each.address][0].value,
            )
            for each in ours
        ]
        events.record(transaction, lines, world.chance.draw)
        news = [
            of_message(world, each.address, each.merchant_id, each.reference, told[each.address])
            for each in ours
            if each.merchant_id
        ]
        announce(world, transaction, news, now)
        left = {
            found[report.gateway_id].address.home
            for report in reports
            if report.is_gone
            and report.gateway_id in found
            and found[report.gateway_id].grant_number is not None
        }
        return [report for report in reports if report.gateway_id not in found], left

    if not reports:
        return []
    unknown, left = world.store.run(deed)
    for home in left:
        gone(world, home)
    return unknown


def _told(report: DeliveryReport) -> tuple[MessageState, str | None]:
    if report.was_delivered:
        return MessageState.DELIVERED, None
    return MessageState.UNDELIVERABLE, report.code
