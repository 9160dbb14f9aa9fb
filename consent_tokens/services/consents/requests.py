"""A merchant asks one consumer for consent."""

from consent_tokens.app_context import AppContext
from consent_tokens.consent.request import ConsentRequest, RequestedTerms
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.errors import ForbiddenError, NotFoundError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.services.consents.invitations import require_no_cooldown, send_invitation
from consent_tokens.store import events, merchants, requests
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import is_active


def create_request(
    world: AppContext,
    transaction: Transaction,
    merchant_id: str,
    terms: RequestedTerms,
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
    require_no_cooldown(world, transaction, merchant_id, terms.reference)
    address = RowKey.new(merchant.partition, world.random.token_bytes(8))
    request = ConsentRequest(
        home=address.partition,
        number=address.id,
        merchant_id=merchant_id,
        terms=terms,
        created_at=now,
        expires_at=now + world.request_ttl,
    )
    if token is not None:
        request = send_invitation(world, transaction, request, token)
    requests.add(transaction, request)
    line = Event(
        partition=address.partition, at=now, kind=EventKind.REQUEST_CREATED, merchant_id=merchant_id
    )
    events.record(transaction, [line], world.random.token_bytes)
    return request


def get_request(
    world: AppContext, transaction: Transaction, merchant_id: str, handle: str
) -> ConsentRequest:
    """Return a merchant's request by its handle. Raises NotFoundError, for others' too."""
    address = world.keyring.ids.request.decode(handle)
    request = requests.find(transaction, address) if address else None
    if request is None or request.merchant_id != merchant_id:
        raise NotFoundError("no consent request of that id")
    return request
