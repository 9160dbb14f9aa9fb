"""A merchant asks one consumer for consent."""

from consent_tokens.app_context import World
from consent_tokens.consent.request import ConsentRequest, Question
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.errors import ForbiddenError, NotFoundError
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.services.consents.invitations import invite, refuse_repetition
from consent_tokens.store import events, merchants, requests
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import is_active


def ask(
    world: World,
    transaction: Transaction,
    merchant_id: str,
    question: Question,
    *,
    token: str | None = None,
) -> ConsentRequest:
    """Return a new consent request; with a token it goes out, as a text, to whom that leads to.

    Raises ForbiddenError if the merchant is suspended, InvitationRefusedError if whom it asks has
    said no, and what `invite` raises.
    """
    now = world.clock.now()
    merchant = merchants.find(transaction, merchant_id)
    if merchant is None or not is_active(merchant):
        raise ForbiddenError("the platform does not let this merchant ask at present")
    refuse_repetition(world, transaction, merchant_id, question.reference)
    address = Address.at(merchant.home, world.chance.draw(8))
    request = ConsentRequest(
        home=address.home,
        number=address.number,
        merchant_id=merchant_id,
        question=question,
        asked=now,
        expires=now + world.request_for,
    )
    if token is not None:
        request = invite(world, transaction, request, token)
    requests.add(transaction, request)
    line = Event(home=address.home, at=now, kind=Kind.REQUEST_ASKED, merchant_id=merchant_id)
    events.record(transaction, [line], world.chance.draw)
    return request


def the_request(
    world: World, transaction: Transaction, merchant_id: str, handle: str
) -> ConsentRequest:
    """Return a merchant's request by its handle. Raises NotFoundError, for others' too."""
    address = world.keyring.handles.request.find(handle)
    request = requests.find(transaction, address) if address else None
    if request is None or request.merchant_id != merchant_id:
        raise NotFoundError("no consent request of that id")
    return request
