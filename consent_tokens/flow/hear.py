"""What comes back: delivery reports, and what consumers' phones reply."""

from typing import Final

from consent_tokens.consent.grant import EndedBy, Grant
from consent_tokens.consent.stopwords import is_stop
from consent_tokens.crypto.blind import blind_index
from consent_tokens.crypto.handles import Address
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.flow.end import end_in
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


def hear_report(world: World, report: DeliveryReport) -> bool:
    """Record what the gateway says became of a message; whether the message was found."""
    now = world.clock.now()
    state = MessageState.DELIVERED if report.was_delivered else MessageState.UNDELIVERABLE

    def deed(transaction: Transaction) -> bool:
        message = messages.by_gateway_id(transaction, report.gateway_id)
        if message is None:
            return False
        reason = None if report.was_delivered else report.code
        if messages.put_report(transaction, message.address, state, reason, now):
            line = Event(
                home=message.address.home,
                at=now,
                kind=Kind.MESSAGE_REPORTED,
                merchant_id=message.merchant_id,
                grant=message.grant_number,
                message=message.address.number,
                code=state.value,
            )
            events.record(transaction, [line], world.chance.draw)
        return True

    return world.store.run(deed)


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
        world.store.scrub()
        world.something_to_do.set()
    return ended


def _confirmation(sender: Sender, merchant: Merchant, language: str) -> str:
    return WORDS[language].format(signature=sender.signature, merchant=merchant.name)
