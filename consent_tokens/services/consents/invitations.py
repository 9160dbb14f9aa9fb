"""A question goes out as a text: a merchant asks whoever is behind a grant, or a phone texts START.

No answer is a no. A merchant whose invitation was refused, or not answered, is refused the next one
for a while, whatever it says in it; who wants no invitations gets none (promise 12).
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from consent_tokens.app_context import AppContext
from consent_tokens.consent.notice import Notice, compose_invitation
from consent_tokens.consent.request import ConsentRequest, RequestedTerms, RequestStatus
from consent_tokens.consent.scope import format_time_of_day, send_window_of
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    InvitationRefusedError,
    TokenError,
)
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.relay.composition import compose, with_signature_and_opt_out
from consent_tokens.relay.message import INVITATION_PURPOSE, Message, MessageStatus, Priority
from consent_tokens.store import events, grants, invitations, merchants, messages, requests
from consent_tokens.store import preferences as wishes
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import LockedGrant
from consent_tokens.store.invitations import Invitation
from consent_tokens.store.merchants import Merchant, Sender
from consent_tokens.tokens.claims import Claims
from consent_tokens.tokens.verify import verify

OPENS, CLOSES = 9 * 60, 21 * 60  # an invitation leaves in these hours of the recipient's day
INVITATION_VALIDITY: Final = timedelta(days=1)


def require_no_cooldown(
    world: AppContext, transaction: Transaction, merchant_id: str, reference: str | None
) -> None:
    """Return if a merchant may ask whom it calls `reference`. Raises InvitationRefusedError."""
    if reference is None or not world.database.has_wishes:
        return
    now = world.clock.now()
    last = requests.latest_for_reference(transaction, merchant_id, reference)
    if last is None or last.status_at(now) not in {RequestStatus.DECLINED, RequestStatus.EXPIRED}:
        return
    again = (last.decided_at or last.expires_at) + world.invitation_cooldown
    if now < again:
        raise InvitationRefusedError(again)


def send_invitation(
    world: AppContext, transaction: Transaction, request: ConsentRequest, token: str
) -> ConsentRequest:
    """Send a new request, as a text, to whoever is behind one of the merchant's own tokens.

    Raises InvalidError if the token is not the merchant's, ConflictError if its grant is not live,
    InvitationRefusedError if the consumer has said no, or that nobody shall invite them.
    """
    if not world.database.has_wishes:
        raise ConflictError("the database has yet to be upgraded")
    address, claims, held = _grant_of_token(world, transaction, request.merchant_id, token)
    _require_welcome(world, transaction, address, request.merchant_id)
    named, senders = merchants.find_with_senders(transaction, [request.merchant_id])
    sender = senders.get(request.merchant_id)
    if sender is None:
        raise ForbiddenError("no sender is admitted for this merchant")
    # the consumer's own language, not the one that the merchant guesses
    request = replace(request, terms=replace(request.terms, locale=held.grant.language))
    merchant = named[request.merchant_id]
    message = _message(world, request, merchant, sender, held, address, claims.sealed_number)
    messages.enqueue(transaction, [message])
    record_invitation(world, transaction, request, address.partition)
    return request


def _grant_of_token(
    world: AppContext, transaction: Transaction, merchant_id: str, token: str
) -> tuple[RowKey, Claims, LockedGrant]:
    try:
        claims = verify(token, world.keyring.verifying, issuer=world.base_url)
    except TokenError as fault:
        raise InvalidError({"token": [fault.error_code]}) from None
    address = world.keyring.ids.grant.decode(claims.jti)
    if claims.merchant_id != merchant_id or address is None:
        raise InvalidError({"token": ["token_not_yours"]})
    held = grants.lock_one(transaction, address)
    if held is None or held.wrapped_key is None:
        raise ConflictError("the consent is over")
    return address, claims, held


def _require_welcome(
    world: AppContext, transaction: Transaction, address: RowKey, merchant_id: str
) -> None:
    """Raise InvitationRefusedError, the same for every reason: which it is, is the consumer's."""
    now = world.clock.now()
    wished = wishes.find(transaction, address.partition)
    asked = invitations.resting_of(transaction, address.partition, [merchant_id], now)
    if wished.no_invitations or wished.is_quiet_at(now) or asked:
        raise InvitationRefusedError


def _message(  # noqa: PLR0913, PLR0917 - all that a message is made of
    world: AppContext,
    request: ConsentRequest,
    merchant: Merchant,
    sender: Sender,
    held: LockedGrant,
    address: RowKey,
    box: bytes,
) -> Message:
    now, grant = world.clock.now(), held.grant
    leaves = send_window_of(OPENS, CLOSES, grant.scope.send_window.timezone.key).next_open(now)
    text = invitation_text(world, request, merchant, grant.language)
    whole = with_signature_and_opt_out(
        text, signature=sender.signature, language=grant.language, link=world.base_url
    )
    return Message(
        key=RowKey.new(address.partition, world.random.token_bytes(8)),
        grant_key=address,
        merchant_id=request.merchant_id,
        sender_id=sender.id,
        priority=Priority.MARKETING,
        purpose=INVITATION_PURPOSE,
        status=MessageStatus.DEFERRED if leaves > now else MessageStatus.QUEUED,
        accepted_at=now,
        send_at=leaves,
        valid_until=min(leaves + INVITATION_VALIDITY, request.expires_at),
        changed_at=now,
        segments=len(compose(whole).segments),
        sealed_number=box,
        text=text,
    )


def record_invitation(
    world: AppContext, transaction: Transaction, request: ConsentRequest, home: int
) -> None:
    """Remember that a recipient was asked: no answer is a no, for as long as the rules say."""
    now = world.clock.now()
    invitation = Invitation(
        key=RowKey.new(home, world.random.token_bytes(8)),
        merchant_id=request.merchant_id,
        request_key=RowKey(request.home, request.number),
        invited_at=now,
        next_allowed_at=now + world.invitation_cooldown,
    )
    invitations.add(transaction, invitation)
    line = Event(
        partition=home, at=now, kind=EventKind.INVITATION_SENT, merchant_id=request.merchant_id
    )
    events.record(transaction, [line], world.random.token_bytes)


def record_refusal(world: AppContext, transaction: Transaction, invitation: Invitation) -> None:
    """Record a no to an invitation, for the time that the rules set."""
    now = world.clock.now()
    invitations.record_refusal(transaction, invitation, now + world.invitation_cooldown)
    line = Event(
        partition=invitation.key.partition,
        at=now,
        kind=EventKind.INVITATION_REFUSED,
        merchant_id=invitation.merchant_id,
    )
    events.record(transaction, [line], world.random.token_bytes)


def invitation_text(
    world: AppContext, request: ConsentRequest, merchant: Merchant, language: str
) -> str:
    """Return the question as a text says it: who, what, how often, which hours, how long."""
    return f"{invitation_terms(world, request, merchant, language)} {_consent_url(world, request)}"


def invitation_terms(
    world: AppContext, request: ConsentRequest, merchant: Merchant, language: str
) -> str:
    """Return those of the words that a yes by reply agrees to: all but the link."""
    question = request.terms
    return compose_invitation(merchant.name, question, language, takes_reply=world.opt_in_by_reply)


def invitation_notice(
    world: AppContext, request: ConsentRequest, merchant: Merchant, language: str
) -> Notice:
    """Return what a yes by reply agrees to: the very words of the text."""
    return Notice(language, invitation_terms(world, request, merchant, language) + "\n")


def _consent_url(world: AppContext, request: ConsentRequest) -> str:
    code = world.keyring.ids.consent_page.encode(RowKey(request.home, request.number))
    return f"{world.base_url}/c/{code}"


def terms_for_start(
    transaction: Transaction, merchant: Merchant, home: int
) -> RequestedTerms | None:
    """Return what to ask a phone that texted START; None if the merchant never asked anybody.

    It is what that phone once agreed to, else what the merchant asked last.
    """
    found = [g for g in grants.of_recipient(transaction, home) if g.merchant_id == merchant.id]
    if found:
        scope = found[0].scope
        return RequestedTerms(
            purposes=scope.purposes,
            frequency_cap=scope.frequency_cap,
            opens=format_time_of_day(scope.send_window.opens),
            closes=format_time_of_day(scope.send_window.closes),
            valid_for=timedelta(days=max(1, (scope.ends_at - found[0].granted_at).days)),
            locale=found[0].language,
        )
    last = requests.latest_of_merchant(transaction, merchant.partition)
    return replace(last.terms, reference=None, return_url=None) if last else None
