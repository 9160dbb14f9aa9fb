"""Consent requests: a merchant asks one consumer for consent."""

from dataclasses import dataclass

from consent_tokens.consent.request import ConsentRequest, RequestedTerms
from consent_tokens.consent.scope import Scope
from consent_tokens.errors import ForbiddenError, NotFoundError
from consent_tokens.evidence.events import EventKind, request_event
from consent_tokens.policies import ConsentPolicy
from consent_tokens.services.consents.invitations import require_no_cooldown, send_invitation
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, merchants, requests
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import is_active


@dataclass(frozen=True, slots=True)
class RequestStanding:
    """A consent request as its merchant sees it, with the scope as granted, if it was."""

    request: ConsentRequest
    scope: Scope | None


def create_request(
    runtime: Runtime,
    policy: ConsentPolicy,
    transaction: Transaction,
    merchant_id: str,
    terms: RequestedTerms,
    *,
    token: str | None = None,
) -> ConsentRequest:
    """Return a new consent request; with a token it is also sent, by SMS, to that token's consumer.

    Raises ForbiddenError if the merchant is suspended, InvitationRefusedError during the cooldown
    of its reference, and what `send_invitation` raises.
    """
    now = runtime.clock.now()
    merchant = merchants.find(transaction, merchant_id)
    if merchant is None or not is_active(merchant):
        raise ForbiddenError("the platform does not let this merchant ask at present")
    require_no_cooldown(runtime, policy, transaction, merchant_id, terms.reference)
    request = ConsentRequest(
        key=runtime.new_key(merchant.partition),
        merchant_id=merchant_id,
        terms=terms,
        created_at=now,
        expires_at=now + policy.request_ttl,
    )
    if token is not None:
        request = send_invitation(runtime, policy, transaction, request, token)
    requests.add(transaction, request)
    runtime.record(transaction, request_event(request, EventKind.REQUEST_CREATED, now))
    return request


def get_request(
    runtime: Runtime, transaction: Transaction, merchant_id: str, public_id: str
) -> ConsentRequest:
    """Return a merchant's request by its public id. Raises NotFoundError, also for another's."""
    key = runtime.ids.request.decode(public_id)
    request = requests.find(transaction, key) if key else None
    if request is None or request.merchant_id != merchant_id:
        raise NotFoundError("no consent request of that id")
    return request


def read_request(runtime: Runtime, merchant_id: str, public_id: str) -> RequestStanding:
    """Return how a merchant's request stands. Raises NotFoundError, also for another's."""

    def query(transaction: Transaction) -> RequestStanding:
        request = get_request(runtime, transaction, merchant_id, public_id)
        grant = grants.find(transaction, request.grant_key) if request.grant_key else None
        return RequestStanding(request, grant.scope if grant else None)

    return runtime.database.read(query)
