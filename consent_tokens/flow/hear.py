"""What comes back: delivery reports, and what consumers' phones reply."""

from collections.abc import Sequence
from typing import Final

from consent_tokens.consent.grant import EndedBy, Grant
from consent_tokens.consent.stopwords import is_stop
from consent_tokens.crypto.blind import blind_index
from consent_tokens.crypto.handles import Address
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.flow.end import end_in
from consent_tokens.flow.journalled import tell
from consent_tokens.flow.notify import announce, of_message
from consent_tokens.flow.prove import service_message
from consent_tokens.gateways.base import DeliveryReport, Inbound
from consent_tokens.relay.message import MessageState
from consent_tokens.store import events, grants, merchants, messages, recipients
from consent_tokens.store.engine import Transaction
from consent_tokens.store.merchants import Merchant, Sender
from consent_tokens.world import World

CONFIRMATION: Final = "service.confirmation"
# one confirmation, with nothing else in it (47 CFR 64.1200(a)(12))
WORDS: Final[dict[str, str]] = {
    "zh-CN": "【{signature}】已停止。{merchant}不会再给您发短信。",
    "en": "[{signature}] Stopped. {merchant} will not text you any more.",
}


def hear_reports(world: World, reports: Sequence[DeliveryReport]) -> list[DeliveryReport]:
    """Record what the gateway says became of messages; return the reports of none of ours.

    However many they are, they cost one transaction.
    """
    now = world.clock.now()

    def deed(transaction: Transaction) -> list[DeliveryReport]:
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
        return [report for report in reports if report.gateway_id not in found]

    return world.store.run(deed) if reports else []


def _told(report: DeliveryReport) -> tuple[MessageState, str | None]:
    if report.was_delivered:
        return MessageState.DELIVERED, None
    return MessageState.UNDELIVERABLE, report.code


def hear_reply(world: World, inbound: Inbound) -> list[Grant]:
    """Act on what a phone replied; return the grants that it ended.

    A stop word ends at once all that this sender's merchants may send to this phone, and is
    answered with one confirmation a merchant. Inbound texts only ever take consent back; what is
    no stop word changes nothing, and is not kept.
    """
    if not is_stop(inbound.text):
        return []
    index = blind_index(inbound.number.reveal(), world.keyring.index)

    def deed(transaction: Transaction) -> list[Grant]:
        home = recipients.find(transaction, index)
        senders = {
            sender.merchant_id: sender
            for sender in merchants.senders_at(transaction, inbound.source)
        }
        if home is None or not senders:
            return []
        ended = [
            grant
            for grant in grants.in_home(transaction, home)
            if grant.merchant_id in senders
            and not grant.is_over
            and end_in(world, transaction, Address(home, grant.number), EndedBy.REPLY)
        ]
        named = merchants.some(transaction, list(senders))
        confirmations = [
            service_message(
                world,
                inbound.number,
                _confirmation(senders[merchant_id], named[merchant_id], language),
                purpose=CONFIRMATION,
                sender_id=senders[merchant_id].id,
            )
            for merchant_id, language in {
                grant.merchant_id: grant.language for grant in ended
            }.items()
        ]
        messages.put_out(transaction, confirmations)
        return ended

    ended = world.store.run(deed)
    if ended:
        tell(world)
        world.store.scrub()
        world.something_to_do.set()
    return ended


def _confirmation(sender: Sender, merchant: Merchant, language: str) -> str:
    return WORDS[language].format(signature=sender.signature, merchant=merchant.name)
