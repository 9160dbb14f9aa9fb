"""The consumer's decision on a consent request: granted, with a verified number, or declined."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.notice import Notice, NoticeTerms, compose_notice
from consent_tokens.consent.one_time_code import CodeUse, consent_use
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.purposes import in_catalogue_order
from consent_tokens.consent.request import ConsentRequest
from consent_tokens.consent.scope import Scope, ScopeReduction
from consent_tokens.consent.timezones import Timezones
from consent_tokens.crypto.keys import KEY_BYTES, GrantKey
from consent_tokens.crypto.sealing import wrap
from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind, grant_event, request_event
from consent_tokens.evidence.rollups import Measure, counted_for
from consent_tokens.localization import catalogue
from consent_tokens.policies import ConsentPolicy, OtpPolicy, RetentionPolicy
from consent_tokens.rules.rule import Rule
from consent_tokens.services import webhooks
from consent_tokens.services.consents.allowed_terms import within_rules
from consent_tokens.services.consents.invitations import record_refusal
from consent_tokens.services.consents.receipts import (
    find_consent_receipt,
    issue_consent_receipt,
)
from consent_tokens.services.consents.recipients import get_or_create_recipient
from consent_tokens.services.consents.replacement import (
    Replacement,
    read_replacement,
    replace_earlier,
)
from consent_tokens.services.consents.revocation import finish_revocation
from consent_tokens.services.consents.tokens import mac_of, mint_token, seal_token
from consent_tokens.services.integrity.journal_outbox import ensure_writable, flush_journal
from consent_tokens.services.number_verification import (
    ChallengeSecret,
    has_verified,
    verify_code,
)
from consent_tokens.services.outbox.service_messages import compose_service_message
from consent_tokens.services.policies_by_rules import with_rules
from consent_tokens.services.rollups.counting import count_one
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import (
    grants,
    invitations,
    merchant_consents,
    merchants,
    outbox,
    requests,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant, is_active

RECEIPT_PURPOSE: Final = "service.receipt"


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A consent request as the consumer sees it, with the merchant that asks."""

    page_id: str  # of `/c/{page_id}`
    request: ConsentRequest  # with what the rules allow of it now
    merchant: Merchant
    cut_by: tuple[Rule, ...] = ()  # the rules that allow less than was asked

    @property
    def otp_intent(self) -> str:
        """Return the intent of a one-time code for this request; it verifies nothing else."""
        return f"consent {self.page_id}"

    @property
    def code_use(self) -> CodeUse:
        """Return the use of a one-time code for this request, with the words of its SMS."""
        return consent_use(self.otp_intent, self.merchant.name)

    def notice(
        self,
        reduction: ScopeReduction,
        timezones: Timezones,
        language: str,
        retention: RetentionPolicy,
        now: datetime,
    ) -> Notice:
        """Return the notice of what the consumer chose. Raises ValueError if it is not a scope."""
        scope = self.request.scope_for(reduction, timezones, now)
        terms = NoticeTerms(
            merchant=self.merchant.name,
            purposes=in_catalogue_order(scope.purposes),
            frequency_cap=scope.frequency_cap,
            send_window=scope.send_window,
            ends_at=scope.ends_at,
            retention=retention,
            legal_name=self.merchant.identity.legal_name,
            contact=self.merchant.identity.contact,
        )
        return compose_notice(terms, language)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDecision:
    """A yes as the page submits it: what was ticked, and the hash of the notice that was shown.

    A consent to another text than that of the grant is none, so the hashes must be equal.
    """

    reduction: ScopeReduction
    language: str
    notice_digest: bytes  # SHA-256
    challenge: ChallengeSecret | None
    code: str
    timezone: str | None = None  # IANA; of several that the number may be in; None: all of them
    wants_receipt_sms: bool = False


@dataclass(frozen=True, slots=True)
class CreatedGrant:
    """A new grant, the public id of its receipt, and what it replaced."""

    grant: Grant
    receipt_id: str
    replacement: Replacement


def find_open_request(runtime: Runtime, policy: ConsentPolicy, page_id: str) -> OpenRequest:
    """Return the request behind `/c/{page_id}`, as the rules allow it now. Raises NotFoundError."""
    key = runtime.ids.consent_page.decode(page_id)

    def query(transaction: Transaction) -> OpenRequest:
        request = requests.find(transaction, key) if key else None
        merchant = merchants.find(transaction, request.merchant_id) if request else None
        if request is None or merchant is None or merchant.is_sandbox:
            raise NotFoundError("no consent request of that id")
        allowed, cut_by = within_rules(runtime, policy, request, merchant)
        return OpenRequest(page_id, allowed, merchant, cut_by)

    return runtime.database.read(query)


def decline(runtime: Runtime, policy: ConsentPolicy, open_request: OpenRequest) -> None:
    """Record the consumer's no.

    Raises ConflictError if the request is closed, JournalUnavailableError.
    """
    ensure_writable(runtime)

    def work(transaction: Transaction) -> None:
        request = _lock_request(transaction, open_request)
        decline_within(runtime, policy, transaction, request)

    runtime.database.run(work)
    flush_journal(runtime)


def decline_within(
    runtime: Runtime, policy: ConsentPolicy, transaction: Transaction, request: ConsentRequest
) -> ConsentRequest:
    """Decline a locked request, and return it. Raises ConflictError if it is closed."""
    now = runtime.clock.now()
    declined = request.declined(now)
    requests.record_decision(transaction, declined)
    webhooks.enqueue(runtime, transaction, [webhooks.request_event(runtime, declined)], now)
    if invitation := invitations.find_by_request(transaction, request.key):
        record_refusal(runtime, policy, transaction, invitation)
    runtime.record(transaction, request_event(request, EventKind.REQUEST_DECLINED, now))
    return declined


def grant_consent(
    runtime: Runtime,
    otp: OtpPolicy,
    policy: ConsentPolicy,
    open_request: OpenRequest,
    decision: ConsentDecision,
) -> CreatedGrant | None:
    """Return the grant that a verified yes creates; None if the code verifies no number.

    The same yes again, from the browser that gave it, returns the grant that it created.
    Returns once no message is in flight under what it replaced. Raises ConflictError if the request
    is closed, InvalidError if nothing was ticked or if the notice that was shown is not that of the
    grant any more, JournalUnavailableError because it may end an earlier grant.
    """
    ensure_writable(runtime)
    created = runtime.database.run(
        lambda transaction: _grant_within(runtime, otp, policy, transaction, open_request, decision)
    )
    runtime.wake_dispatcher.set()
    if created is not None and (changed := created.replacement.changed_ids):
        finish_revocation(runtime, created.grant.key.partition, changed)
    return created


def _grant_within(
    runtime: Runtime,
    otp: OtpPolicy,
    policy: ConsentPolicy,
    transaction: Transaction,
    open_request: OpenRequest,
    decision: ConsentDecision,
) -> CreatedGrant | None:
    locked = _lock_request(transaction, open_request)
    request, _ = within_rules(runtime, policy, locked, open_request.merchant)
    intent = open_request.otp_intent
    if created := _created_before(runtime, transaction, request, intent, decision.challenge):
        return created
    _require_possible(runtime, transaction, request, decision)
    number = verify_code(
        runtime,
        otp,
        transaction,
        decision.challenge,
        intent=intent,
        code=decision.code,
    )
    if number is None:
        return None
    timezones = _timezones(number, policy, decision.timezone)
    now = runtime.clock.now()
    retention = with_rules(runtime, policy).retention
    notice = open_request.notice(decision.reduction, timezones, decision.language, retention, now)
    if notice.digest != decision.notice_digest:
        raise InvalidError({"notice": ["changed"]})
    scope = request.scope_for(decision.reduction, timezones, now)
    created = create_grant(runtime, transaction, request, number, notice, scope)
    if decision.wants_receipt_sms:
        _enqueue_receipt_sms(runtime, transaction, number, decision.language, created)
    return created


def find_own_grant(
    runtime: Runtime, open_request: OpenRequest, challenge: ChallengeSecret | None
) -> CreatedGrant | None:
    """Return the grant that this browser's yes created; None if it gave none to this request."""
    request, intent = open_request.request, open_request.otp_intent
    return runtime.database.read(
        lambda transaction: _created_before(runtime, transaction, request, intent, challenge)
    )


def find_given(runtime: Runtime, open_request: OpenRequest) -> tuple[Grant, Notice] | None:
    """Return the grant that a request led to, as it is now, with its notice; None if none is."""
    key = open_request.request.grant_key

    def query(transaction: Transaction) -> tuple[Grant, Notice] | None:
        grant = grants.find(transaction, key) if key else None
        notice = grants.notice_of(transaction, grant.key) if grant else None
        return (grant, notice) if grant and notice else None

    return runtime.database.read(query)


def _created_before(
    runtime: Runtime,
    transaction: Transaction,
    request: ConsentRequest,
    intent: str,
    challenge: ChallengeSecret | None,
) -> CreatedGrant | None:
    """Return the grant of a request whose challenge was used, which only its yes does."""
    if request.grant_key is None or not has_verified(transaction, challenge, intent):
        return None
    grant = grants.find(transaction, request.grant_key)
    if grant is None:
        return None
    receipt_id = find_consent_receipt(runtime, transaction, grant.key)
    return CreatedGrant(grant, receipt_id, read_replacement(transaction, grant))


def create_grant(
    runtime: Runtime,
    transaction: Transaction,
    request: ConsentRequest,
    number: PhoneNumber,
    notice: Notice,
    scope: Scope,
) -> CreatedGrant:
    """Return the grant of a yes, stored with its key, its notice and its receipt.

    For its purposes it counts instead of earlier grants to the same merchant. Its token is stored,
    sealed, until the merchant fetches it.
    """
    now = runtime.clock.now()
    partition = get_or_create_recipient(runtime, transaction, number)
    merchant_consents.lock(transaction, partition, request.merchant_id)
    grant = Grant(
        key=runtime.new_key(partition),
        merchant_id=request.merchant_id,
        scope=scope,
        language=notice.language,
        granted_at=now,
        status=GrantStatus.LIVE,
        status_since=now,
    )
    grant_key = GrantKey(runtime.random.token_bytes(KEY_BYTES))
    wrapped_key = wrap(grant_key, runtime.keyring.wrapping)
    token = mint_token(runtime, grant, grant_key, number, notice_digest=notice.digest)
    mac = mac_of(runtime, token, grant.key)
    grants.add(transaction, grant, wrapped_key=wrapped_key, token_mac=mac, notice=notice)
    granted = request.granted(now, grant_key=grant.key)
    requests.record_decision(transaction, granted, token=seal_token(runtime, request, token))
    runtime.record(transaction, grant_event(grant, EventKind.GRANT_CREATED, now))
    count_one(runtime, transaction, Measure.GAINED, counted_for(grant.merchant_id))
    webhooks.enqueue(runtime, transaction, [webhooks.grant_event(runtime, grant)], now)
    invitations.delete_accepted(transaction, partition, request.key)
    receipt_id = issue_consent_receipt(runtime, transaction, grant, notice)
    return CreatedGrant(grant, receipt_id, replace_earlier(runtime, transaction, grant))


def receipt_text(service: str, url: str, language: str) -> str:
    """Return the SMS that links to a consent receipt."""
    text = catalogue(language).gettext("[%(service)s] The receipt of your yes, to keep: %(url)s")
    return text % {"service": service, "url": url}


def _timezones(number: PhoneNumber, policy: ConsentPolicy, chosen: str | None) -> Timezones:
    """Return the time zones of a number, or the chosen one. Raises InvalidError if not of them."""
    timezones = number.timezones(policy.default_timezone)
    if chosen is None:
        return timezones
    own = tuple(each for each in timezones if each.key == chosen)
    if not own:
        raise InvalidError({"timezone": ["not_offered"]})
    return own


def _require_possible(
    runtime: Runtime, transaction: Transaction, request: ConsentRequest, decision: ConsentDecision
) -> None:
    if not is_active(merchants.find(transaction, request.merchant_id), runtime.service):
        raise ConflictError("the platform does not let this merchant ask at present")
    if not (decision.reduction.purposes or frozenset()) & request.terms.purposes:
        raise InvalidError({"purposes": ["choose_one"]})


def _enqueue_receipt_sms(
    runtime: Runtime,
    transaction: Transaction,
    number: PhoneNumber,
    language: str,
    created: CreatedGrant,
) -> None:
    url = f"{runtime.service.base_url}/receipts/{created.receipt_id}"
    text = receipt_text(runtime.service.name_in(language), url, language)
    message = compose_service_message(runtime, number, text, purpose=RECEIPT_PURPOSE)
    outbox.enqueue(transaction, [message])


def _lock_request(transaction: Transaction, open_request: OpenRequest) -> ConsentRequest:
    request = requests.lock(transaction, open_request.request.key)
    if request is None:
        raise NotFoundError("no consent request of that id")
    return request
