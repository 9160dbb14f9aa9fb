"""A question goes out as a text: a merchant asks whoever is behind a grant, or a phone texts START.

No answer is a no. A merchant whose invitation was refused, or not answered, is refused the next one
for a while, whatever it says in it; who wants no invitations gets none (promise 12).
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from consent_tokens.app_context import World
from consent_tokens.consent.notice import Notice, asked_by_text
from consent_tokens.consent.request import ConsentRequest, Question, RequestState
from consent_tokens.consent.scope import clock_time, hours_of
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    InvitationRefusedError,
    TokenError,
)
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.relay.composition import compose, dress
from consent_tokens.relay.message import INVITATION, Message, MessageState, Rank
from consent_tokens.store import events, grants, invitations, merchants, messages, requests
from consent_tokens.store import preferences as wishes
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import Held
from consent_tokens.store.invitations import Invitation
from consent_tokens.store.merchants import Merchant, Sender
from consent_tokens.tokens.claims import Claims
from consent_tokens.tokens.verify import verify

OPENS, CLOSES = 9 * 60, 21 * 60  # an invitation leaves in these hours of the recipient's day
VALID_FOR: Final = timedelta(days=1)


def refuse_repetition(
    world: World, transaction: Transaction, merchant_id: str, reference: str | None
) -> None:
    """Return if a merchant may ask whom it calls `reference`. Raises InvitationRefusedError."""
    if reference is None or not world.store.has_wishes:
        return
    now = world.clock.now()
    last = requests.newest_of(transaction, merchant_id, reference)
    if last is None or last.standing(now) not in {RequestState.DECLINED, RequestState.EXPIRED}:
        return
    again = (last.decided or last.expires) + world.invites_again_after
    if now < again:
        raise InvitationRefusedError(again)


def invite(
    world: World, transaction: Transaction, request: ConsentRequest, token: str
) -> ConsentRequest:
    """Send a new request, as a text, to whoever is behind one of the merchant's own tokens.

    Raises InvalidError if the token is not the merchant's, ConflictError if its grant is not live,
    InvitationRefusedError if the consumer has said no, or that nobody shall invite them.
    """
    if not world.store.has_wishes:
        raise ConflictError("the database has yet to be upgraded")
    address, claims, held = _grant_behind(world, transaction, request.merchant_id, token)
    _refuse_unwelcome(world, transaction, address, request.merchant_id)
    named, senders = merchants.at_desk(transaction, [request.merchant_id])
    sender = senders.get(request.merchant_id)
    if sender is None:
        raise ForbiddenError("no sender is admitted for this merchant")
    # the consumer's own language, not the one that the merchant guesses
    request = replace(request, question=replace(request.question, locale=held.grant.language))
    merchant = named[request.merchant_id]
    message = _message(world, request, merchant, sender, held, address, claims.box)
    messages.put_out(transaction, [message])
    remember(world, transaction, request, address.home)
    return request


def _grant_behind(
    world: World, transaction: Transaction, merchant_id: str, token: str
) -> tuple[Address, Claims, Held]:
    try:
        claims = verify(token, world.keyring.verifying, issuer=world.base_url)
    except TokenError as fault:
        raise InvalidError({"token": [fault.code]}) from None
    address = world.keyring.handles.grant.find(claims.handle)
    if claims.merchant_id != merchant_id or address is None:
        raise InvalidError({"token": ["token_not_yours"]})
    held = grants.lock_one(transaction, address)
    if held is None or held.wrapped_key is None:
        raise ConflictError("the consent is over")
    return address, claims, held


def _refuse_unwelcome(
    world: World, transaction: Transaction, address: Address, merchant_id: str
) -> None:
    """Raise InvitationRefusedError, the same for every reason: which it is, is the consumer's."""
    now = world.clock.now()
    wished = wishes.find(transaction, address.home)
    asked = invitations.in_home(transaction, address.home, [merchant_id], now)
    if wished.no_invitations or wished.is_calm(now) or asked:
        raise InvitationRefusedError


def _message(  # noqa: PLR0913, PLR0917 - all that a message is made of
    world: World,
    request: ConsentRequest,
    merchant: Merchant,
    sender: Sender,
    held: Held,
    address: Address,
    box: bytes,
) -> Message:
    now, grant = world.clock.now(), held.grant
    leaves = hours_of(OPENS, CLOSES, grant.scope.hours.zone.key).next_open(now)
    text = words(world, request, merchant, grant.language)
    whole = dress(text, signature=sender.signature, language=grant.language, link=world.base_url)
    return Message(
        address=Address.at(address.home, world.chance.draw(8)),
        grant=address,
        merchant_id=request.merchant_id,
        sender_id=sender.id,
        rank=Rank.MARKETING,
        purpose=INVITATION,
        state=MessageState.DEFERRED if leaves > now else MessageState.QUEUED,
        accepted=now,
        leaves=leaves,
        valid_until=min(leaves + VALID_FOR, request.expires),
        changed=now,
        segments=len(compose(whole).segments),
        box=box,
        text=text,
    )


def remember(world: World, transaction: Transaction, request: ConsentRequest, home: int) -> None:
    """Remember that a recipient was asked: no answer is a no, for as long as the rules say."""
    now = world.clock.now()
    invitation = Invitation(
        address=Address.at(home, world.chance.draw(8)),
        merchant_id=request.merchant_id,
        request=Address(request.home, request.number),
        asked=now,
        again=now + world.invites_again_after,
    )
    invitations.add(transaction, invitation)
    line = Event(home=home, at=now, kind=Kind.INVITATION_SENT, merchant_id=request.merchant_id)
    events.record(transaction, [line], world.chance.draw)


def refuse(world: World, transaction: Transaction, invitation: Invitation) -> None:
    """Record a no to an invitation, for the time that the rules set."""
    now = world.clock.now()
    invitations.refuse(transaction, invitation, now + world.invites_again_after)
    line = Event(
        home=invitation.address.home,
        at=now,
        kind=Kind.INVITATION_REFUSED,
        merchant_id=invitation.merchant_id,
    )
    events.record(transaction, [line], world.chance.draw)


def words(world: World, request: ConsentRequest, merchant: Merchant, language: str) -> str:
    """Return the question as a text says it: who, what, how often, which hours, how long."""
    return f"{asked_words(world, request, merchant, language)} {_link(world, request)}"


def asked_words(world: World, request: ConsentRequest, merchant: Merchant, language: str) -> str:
    """Return those of the words that a yes by reply agrees to: all but the link."""
    question = request.question
    return asked_by_text(merchant.name, question, language, takes_reply=world.takes_yes_by_reply)


def notice_by_text(
    world: World, request: ConsentRequest, merchant: Merchant, language: str
) -> Notice:
    """Return what a yes by reply agrees to: the very words of the text."""
    return Notice(language, asked_words(world, request, merchant, language) + "\n")


def _link(world: World, request: ConsentRequest) -> str:
    code = world.keyring.handles.code.hide(Address(request.home, request.number))
    return f"{world.base_url}/c/{code}"


def question_for(transaction: Transaction, merchant: Merchant, home: int) -> Question | None:
    """Return what to ask a phone that texted START; None if the merchant never asked anybody.

    It is what that phone once agreed to, else what the merchant asked last.
    """
    found = [g for g in grants.in_home(transaction, home) if g.merchant_id == merchant.id]
    if found:
        scope = found[0].scope
        return Question(
            purposes=scope.purposes,
            cap=scope.cap,
            opens=clock_time(scope.hours.opens),
            closes=clock_time(scope.hours.closes),
            valid_for=timedelta(days=max(1, (scope.ends - found[0].granted).days)),
            locale=found[0].language,
        )
    last = requests.newest_in(transaction, merchant.home)
    return replace(last.question, reference=None, return_url=None) if last else None
