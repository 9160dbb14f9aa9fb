"""A consent ends: the consumer takes it back, the merchant lets go, or its day has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consent_tokens.app_context import World
from consent_tokens.consent.grant import EndedBy, Grant
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.evidence.events import Event, Kind, of_end
from consent_tokens.evidence.receipts import Propagation
from consent_tokens.relay.decision import Reason
from consent_tokens.relay.message import Message, MessageState
from consent_tokens.services.consents.receipts import for_end
from consent_tokens.services.integrity.journal_outbox import check, tell
from consent_tokens.services.outbox.in_flight import wait_for_hands
from consent_tokens.services.webhooks import announce, of_grant, of_message
from consent_tokens.store import checkpoints as marks
from consent_tokens.store import events, grants, messages, recipients, requests
from consent_tokens.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Ended:
    """A grant that is over, and how many of its messages left while it ended."""

    grant: Grant
    left_meanwhile: int


def end(world: World, address: Address, by: EndedBy) -> Ended | None:
    """End a grant, for good; None if there is none.

    When this returns, nothing under the grant leaves that the gateway does not already have, and
    nobody can open its number, with whatever keys (promise 3): its key is destroyed, and any
    message that a dispatcher held in its hands at that moment has been waited for. Ending an ended
    grant changes nothing and is no fault. Raises JournalUnavailableError: a revocation that a
    restored database would forget is none.
    """
    check(world)
    ended = world.store.run(lambda transaction: end_in(world, transaction, address, by))
    if ended is None:
        return None
    tell(world)
    world.store.scrub()
    left = wait_for_hands(
        world, lambda transaction: messages.under_way(transaction, address, world.clock.now())
    )
    return Ended(ended, left)


def end_in(world: World, transaction: Transaction, address: Address, by: EndedBy) -> Grant | None:
    """End a grant within a transaction; the same deed for a page, an API call and a reply."""
    now = world.clock.now()
    held = grants.lock_one(transaction, address)
    if held is None:
        return None
    ended = held.grant.ended(now, by)
    if ended != held.grant:
        grants.put_end(transaction, ended)
        requests.drop_token_of(transaction, address)
        events.record(transaction, [of_end(ended, by)], world.chance.draw)
        if by not in {EndedBy.EXPIRY, EndedBy.JOURNAL} and world.store.has_journal:
            marks.lay_out(transaction, address, now)
        announce(world, transaction, [of_grant(world, ended, by)], now)
        stopped = messages.stop_waiting(transaction, address, Reason.CONSENT_REVOKED.value, now)
        _record_stopped(world, transaction, stopped, now)
        last = messages.last_left(transaction, address)
        for_end(world, transaction, ended, by, Propagation(stopped=len(stopped), last_left=last))
        has_wishes = world.store.has_wishes
        recipients.forget_if_idle(transaction, address.home, has_wishes=has_wishes)
    return ended


def _record_stopped(
    world: World, transaction: Transaction, stopped: Sequence[Message], now: datetime
) -> None:
    """Record that what waited under a grant is not sent, and tell the merchant."""
    lines = [
        Event(
            home=message.address.home,
            at=now,
            kind=Kind.MESSAGE_REFUSED,
            merchant_id=message.merchant_id,
            grant=message.grant_number,
            message=message.address.number,
            code=Reason.CONSENT_REVOKED.value,
        )
        for message in stopped
    ]
    events.record(transaction, lines, world.chance.draw)
    outcome = MessageState.REFUSED, Reason.CONSENT_REVOKED.value
    news = [
        of_message(world, message.address, message.merchant_id, message.reference, outcome)
        for message in stopped
    ]
    announce(world, transaction, news, now)
