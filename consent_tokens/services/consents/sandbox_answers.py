"""The answer to a consent request of a sandbox, which its merchant gives with a test key."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from consent_tokens.consent.request import ConsentRequest
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.errors import ForbiddenError, InvalidError, NotFoundError
from consent_tokens.policies import ConsentPolicy
from consent_tokens.relay.sandbox import SandboxRecipient, is_sandbox, sandbox_number
from consent_tokens.services.consents.allowed_terms import within_rules
from consent_tokens.services.consents.decisions import (
    OpenRequest,
    create_grant,
    decline_within,
)
from consent_tokens.services.consents.requests import RequestStanding
from consent_tokens.services.integrity.journal_outbox import ensure_writable, flush_journal
from consent_tokens.services.policies_by_rules import with_rules
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import merchants, requests
from consent_tokens.store.database import Transaction

MAX_NUMBER: Final = 10**11  # of test numbers of a kind; each yes has one of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxAnswer:
    """What a consumer would answer: no, or yes to some purposes, and what kind of recipient."""

    is_yes: bool
    purposes: frozenset[str] = frozenset()  # empty: all that are asked for
    recipient: SandboxRecipient = SandboxRecipient.DELIVERED


def require_sandbox(merchant_id: str) -> None:
    """Raise ForbiddenError if it is not with a test key."""
    if not is_sandbox(merchant_id):
        raise ForbiddenError("only a test key may answer for the consumer")


@contextmanager
def journalled(runtime: Runtime) -> Iterator[None]:
    """Do what may add to the revocation journal. Raises JournalUnavailableError."""
    ensure_writable(runtime)
    yield
    flush_journal(runtime)


def answer_for_tests(
    runtime: Runtime,
    policy: ConsentPolicy,
    transaction: Transaction,
    asked: ConsentRequest,
    answer: SandboxAnswer,
) -> RequestStanding:
    """Answer a request of a sandbox; return how it stands.

    A yes creates a grant of a new test number. Raises ConflictError if the request is closed,
    InvalidError for purposes that are not asked for, ForbiddenError outside a sandbox.
    """
    require_sandbox(asked.merchant_id)
    request = requests.lock(transaction, asked.key)
    merchant = merchants.find(transaction, asked.merchant_id)
    if request is None or merchant is None:
        raise NotFoundError("no consent request of that id")
    if not answer.is_yes:
        declined = decline_within(runtime, policy, transaction, request)
        return RequestStanding(declined, None)
    request, _ = within_rules(runtime, policy, request, merchant)
    reduction = _reduction(request, answer)
    timezones = (policy.default_timezone,)
    now = runtime.clock.now()
    notice = OpenRequest("", request, merchant).notice(
        reduction, timezones, request.terms.locale, with_rules(runtime, policy).retention, now
    )
    scope = request.scope_for(reduction, timezones, now)
    number = sandbox_number(answer.recipient, runtime.random.randbelow(MAX_NUMBER))
    created = create_grant(runtime, transaction, request, number, notice, scope)
    granted = request.granted(now, grant_key=created.grant.key)
    return RequestStanding(granted, created.grant.scope)


def _reduction(request: ConsentRequest, answer: SandboxAnswer) -> ScopeReduction:
    asked = request.terms.purposes
    if not answer.purposes <= asked:
        raise InvalidError({"purposes": ["not_asked_for"]})
    chosen = frozenset(each for each in asked if each in answer.purposes)
    return ScopeReduction(purposes=chosen or asked)
