"""Consent requests: a merchant asks one consumer for consent."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.consent.request import AskedTerms, ConsentRequest, RequestedTerms
from consent_tokens.consent.scope import Scope
from consent_tokens.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RuleForbidsError,
    TooManyOpenError,
)
from consent_tokens.evidence.events import Event, EventKind, request_event
from consent_tokens.listing import ListFilter
from consent_tokens.policies import ConsentPolicy
from consent_tokens.rules.applicable import applicable
from consent_tokens.rules.ceilings import Excess, excesses, with_defaults
from consent_tokens.services import webhooks
from consent_tokens.services.consents.invitations import require_no_cooldown, send_invitation
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.token_verification import VerifiedToken
from consent_tokens.store import grants, merchants, requests
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant, is_active

BATCH_SIZE: Final = 200  # requests that one call expires, at most


@dataclass(frozen=True, slots=True)
class RequestStanding:
    """A consent request as its merchant sees it, with the scope as granted, if it was."""

    request: ConsentRequest
    scope: Scope | None


def create_request(  # noqa: PLR0913 - whom a merchant asks for what, and for how long
    runtime: Runtime,
    policy: ConsentPolicy,
    transaction: Transaction,
    merchant_id: str,
    asked: AskedTerms,
    *,
    token: VerifiedToken | None = None,
    open_for: timedelta | None = None,
) -> ConsentRequest:
    """Return a new consent request; with a token it is also sent, by SMS, to that token's consumer.

    Without `open_for` it is open for as long as the policy says. Raises ForbiddenError if the
    merchant is suspended, InvalidError for purposes that it is not admitted for, RuleForbidsError
    for more than the rules allow, InvitationRefusedError during the cooldown of its reference, and
    what `send_invitation` raises.
    """
    now = runtime.clock.now()
    merchant, terms = check_terms(runtime, policy, transaction, merchant_id, asked)
    require_no_cooldown(runtime, policy, transaction, merchant_id, terms.reference)
    request = ConsentRequest(
        key=runtime.new_key(merchant.partition),
        merchant_id=merchant_id,
        terms=terms,
        created_at=now,
        expires_at=now + (open_for or policy.request_ttl),
    )
    if token is not None:
        request = send_invitation(runtime, policy, transaction, request, token)
    requests.add(transaction, request)
    runtime.record(transaction, request_event(request, EventKind.REQUEST_CREATED, now))
    return request


def check_terms(
    runtime: Runtime,
    policy: ConsentPolicy,
    transaction: Transaction,
    merchant_id: str,
    asked: AskedTerms,
) -> tuple[Merchant, RequestedTerms]:
    """Return the merchant, and the terms as the rules complete them.

    Raises ForbiddenError, InvalidError and RuleForbidsError as `create_request`.
    """
    merchant = merchants.find(transaction, merchant_id)
    if merchant is None or not is_active(merchant, runtime.service):
        raise ForbiddenError("the platform does not let this merchant ask at present")
    if not all(merchant.may_use(each) for each in asked.purposes):
        raise InvalidError({"purposes": ["class_not_admitted"]})
    return merchant, _allowed_terms(runtime, policy, merchant, asked)


def _allowed_terms(
    runtime: Runtime, policy: ConsentPolicy, merchant: Merchant, asked: AskedTerms
) -> RequestedTerms:
    """Return the terms, completed by the rules' defaults. Raises RuleForbidsError, InvalidError.

    Nobody knows yet whose number it will be: the rules are those of the default region. At sending
    those of the recipient's own region bind.
    """
    rules = applicable(
        runtime.rules.current(),
        asked.purposes,
        frozenset({policy.default_region}),
        runtime.clock.now().date(),
        is_demonstration=merchant.is_demonstration,
    )
    terms = with_defaults(asked, rules)
    if found := excesses(terms, rules):
        raise _rule_forbids(found, asked.locale)
    return terms


def _rule_forbids(found: Sequence[Excess], language: str) -> RuleForbidsError:
    fields: dict[str, list[str]] = {}
    for each in found:
        fields.setdefault(each.field, []).append(each.rule.id)
    rules = {each.rule.id: each.rule for each in found}
    return RuleForbidsError(fields, [rule.explanation(language) for rule in rules.values()])


@contextmanager
def recorded_refusals(runtime: Runtime, merchant_id: str) -> Iterator[None]:
    """Record that the service refused to create a request, and why (promise 10)."""
    try:
        yield
    except TooManyOpenError:  # of something else than requests: nothing was asked
        raise
    except (ForbiddenError, ConflictError, InvalidError, RuleForbidsError) as error:
        is_token = isinstance(error, InvalidError) and "token" in error.fields
        now, reason = runtime.clock.now(), "token" if is_token else error.error_code

        def work(transaction: Transaction) -> None:
            merchant = merchants.find(transaction, merchant_id)
            event = Event(
                partition=merchant.partition if merchant else 0,
                at=now,
                kind=EventKind.REQUEST_REFUSED,
                merchant_id=merchant_id,
                reason=reason,
            )
            runtime.record(transaction, event)

        runtime.database.run(work)
        raise


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


def list_requests(runtime: Runtime, merchant_id: str, wanted: ListFilter) -> list[RequestStanding]:
    """Return how a page of a merchant's requests stand, the oldest first."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> list[RequestStanding]:
        found = requests.of_merchant(transaction, merchant_id, wanted, now)
        keys = [each.grant_key for each in found if each.grant_key]
        granted = grants.find_many(transaction, keys)
        scopes = {key: grant.scope for key, grant in granted.items()}
        return [
            RequestStanding(each, scopes.get(each.grant_key) if each.grant_key else None)
            for each in found
        ]

    return runtime.database.read(query)


def expire_requests(runtime: Runtime, transaction: Transaction, now: datetime) -> int:
    """Record that nobody answered requests in time, and notify their merchants; return how many."""
    expired = requests.expire_due(transaction, now, BATCH_SIZE)
    runtime.record(
        transaction, *(request_event(each, EventKind.REQUEST_EXPIRED, now) for each in expired)
    )
    merchant_events = [webhooks.request_event(runtime, each) for each in expired]
    webhooks.enqueue(runtime, transaction, merchant_events, now)
    return len(expired)
