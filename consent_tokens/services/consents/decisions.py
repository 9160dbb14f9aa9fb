"""A consumer answers: yes, with the number proved, or no. After a yes the token waits 24 hours."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from consent_tokens.app_context import AppContext
from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.notice import Notice, NoticeTerms, RetentionPeriods, compose_notice
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.purposes import in_catalogue_order
from consent_tokens.consent.request import ConsentRequest
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.crypto.keyed_hashes import blind_index
from consent_tokens.crypto.keys import GrantKey
from consent_tokens.crypto.opaque_ids import RowKey
from consent_tokens.crypto.sealing import open_envelope, seal_envelope, wrap
from consent_tokens.errors import ConflictError, GoneError, InvalidError, NotFoundError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.services.consents.invitations import record_refusal
from consent_tokens.services.consents.receipts import issue_consent_receipt
from consent_tokens.services.number_verification import (
    ChallengeSecret,
    compose_service_message,
    verify_code,
)
from consent_tokens.services.webhooks import enqueue, grant_event
from consent_tokens.store import (
    events,
    grants,
    invitations,
    merchants,
    messages,
    recipients,
    requests,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant, is_active
from consent_tokens.tokens.mint import Binding, mint, seal_number

RECEIPT_PURPOSE: Final = "service.receipt"
RECEIPT_WORDS: Final[dict[str, str]] = {
    "zh-CN": "【{service}】您同意的凭据，请留好：{url}",
    "zh-TW": "【{service}】您同意的憑據，請留好：{url}",
    "en": "[{service}] The receipt of your yes, to keep: {url}",
}


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request as the consumer sees it."""

    page_id: str
    request: ConsentRequest
    merchant: Merchant

    @property
    def otp_intent(self) -> str:
        """Return what a one-time code for this request is for; it opens nothing else."""
        return f"consent {self.page_id}"

    def notice(
        self,
        less: ScopeReduction,
        zone: ZoneInfo,
        language: str,
        records: RetentionPeriods,
        now: datetime,
    ) -> Notice:
        """Return the exact words for what was chosen, as of now. Raises ValueError."""
        scope = self.request.scope_for(less, zone, now)
        terms = NoticeTerms(
            merchant=self.merchant.name,
            purposes=in_catalogue_order(scope.purposes),
            frequency_cap=scope.frequency_cap,
            send_window=scope.send_window,
            ends_at=scope.ends_at,
            retention=records,
        )
        return compose_notice(terms, language)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDecision:
    """A consumer's yes, as it comes from the page: what was ticked, and the words that stood there.

    `words` is the SHA-256 of the notice on the page: a yes to other words is none.
    """

    reduction: ScopeReduction
    language: str
    notice_digest: bytes
    challenge: ChallengeSecret | None
    code: str
    wants_receipt_sms: bool = False  # the receipt as an SMS, too


@dataclass(frozen=True, slots=True)
class CreatedGrant:
    """A grant, and the handle of the receipt for it."""

    grant: Grant
    receipt_id: str | None


def find_open_request(world: AppContext, code: str) -> OpenRequest:
    """Return the request behind `/c/{code}`. Raises NotFoundError."""
    address = world.keyring.ids.consent_page.decode(code)

    def question(transaction: Transaction) -> OpenRequest:
        request = requests.find(transaction, address) if address else None
        merchant = merchants.find(transaction, request.merchant_id) if request else None
        if request is None or merchant is None:
            raise NotFoundError("no consent request here")
        return OpenRequest(code, request, merchant)

    return world.database.read(question)


def decline(world: AppContext, open_request: OpenRequest) -> None:
    """Record the consumer's no. Raises ConflictError if the request is closed."""
    now = world.clock.now()

    def deed(transaction: Transaction) -> None:
        request = _lock_request(transaction, open_request)
        requests.record_decision(transaction, request.declined(now))
        if world.database.has_wishes:
            address = RowKey(request.home, request.number)
            if invitation := invitations.find_by_request(transaction, address):
                record_refusal(world, transaction, invitation)
        line = Event(
            partition=request.home,
            at=now,
            kind=EventKind.REQUEST_DECLINED,
            merchant_id=request.merchant_id,
        )
        events.record(transaction, [line], world.random.token_bytes)

    world.database.run(deed)


def grant_consent(
    world: AppContext, open_request: OpenRequest, decision: ConsentDecision
) -> CreatedGrant | None:
    """Return the grant that a proved yes makes; None if the code proves nothing.

    Raises ConflictError if the request is closed, InvalidError if nothing was ticked or if the
    words on the page are no longer the words of the grant.
    """
    now = world.clock.now()

    def deed(transaction: Transaction) -> CreatedGrant | None:
        request = _lock_request(transaction, open_request)
        merchant = merchants.find(transaction, request.merchant_id)
        if not is_active(merchant):
            raise ConflictError("the platform does not let this merchant ask at present")
        if not (decision.reduction.purposes or frozenset()) & request.terms.purposes:
            raise InvalidError({"purposes": ["choose_one"]})
        number = verify_code(
            world,
            transaction,
            decision.challenge,
            intent=open_request.otp_intent,
            code=decision.code,
        )
        if number is None:
            return None
        zone = number.timezone(world.default_timezone)
        notice = open_request.notice(
            decision.reduction, zone, decision.language, retention_periods(world), now
        )
        if notice.digest != decision.notice_digest:
            raise InvalidError({"notice": ["changed"]})
        given = create_grant(world, transaction, request, number, notice, decision.reduction)
        if decision.wants_receipt_sms and given.receipt_id:
            url = f"{world.base_url}/receipts/{given.receipt_id}"
            text = RECEIPT_WORDS[decision.language].format(service=world.service_name, url=url)
            message = compose_service_message(world, number, text, purpose=RECEIPT_PURPOSE)
            messages.enqueue(transaction, [message])
        return given

    given = world.database.run(deed)
    world.wake_dispatcher.set()
    return given


def create_grant(
    world: AppContext,
    transaction: Transaction,
    request: ConsentRequest,
    number: PhoneNumber,
    notice: Notice,
    less: ScopeReduction,
) -> CreatedGrant:
    """Return the grant of a yes, kept with its key and its words, once the number is proved."""
    now = world.clock.now()
    home = recipients.get_or_create(
        transaction, blind_index(number.reveal(), world.keyring.index), world.random.token_bytes(8)
    )
    grant = Grant(
        home=home,
        number=RowKey.new(home, world.random.token_bytes(8)).id,
        merchant_id=request.merchant_id,
        scope=request.scope_for(less, number.timezone(world.default_timezone), now),
        language=notice.language,
        granted_at=now,
        status=GrantStatus.LIVE,
        status_since=now,
    )
    receipt = _store_grant(world, transaction, request, grant, number, notice)
    return CreatedGrant(grant, receipt)


def retention_periods(world: AppContext) -> RetentionPeriods:
    """Return how long texts, and the fact that they were sent, are kept."""
    return RetentionPeriods(texts=world.text_retention, records=world.record_retention)


def _store_grant(
    world: AppContext,
    transaction: Transaction,
    request: ConsentRequest,
    grant: Grant,
    number: PhoneNumber,
    notice: Notice,
) -> str | None:
    """Keep a new grant with its key and its words, and lay its token out for the merchant."""
    now = grant.granted_at
    key = GrantKey(world.random.token_bytes(32))
    grants.add(transaction, grant, wrapped_key=wrap(key, world.keyring.wrapping), notice=notice)
    binding = binding_of(world, grant)
    token = mint(
        grant,
        binding,
        sealed_number=seal_number(number, key, binding, world.random.token_bytes(12)),
        notice=notice.digest,
        now=now,
        key=world.keyring.signing,
    )
    granted = request.granted(now, grant_home=grant.home, grant_number=grant.number)
    requests.record_decision(transaction, granted, token=_sealed_token(world, request, token))
    line = Event(
        partition=grant.home,
        at=now,
        kind=EventKind.GRANT_CREATED,
        merchant_id=grant.merchant_id,
        grant_id=grant.number,
    )
    events.record(transaction, [line], world.random.token_bytes)
    enqueue(world, transaction, [grant_event(world, grant)], now)
    if world.database.has_wishes:
        invitations.delete_of_recipient(transaction, grant.home, grant.merchant_id)
    return issue_consent_receipt(world, transaction, grant, notice)


def fetch_token(
    world: AppContext, transaction: Transaction, request: ConsentRequest
) -> tuple[str, str]:
    """Return the waiting token and the handle of its grant.

    Raises ConflictError before the yes, GoneError after 24 hours or once the grant has ended.
    """
    now = world.clock.now()
    request.require_token_available(now)
    address = RowKey(request.home, request.number)
    envelope = requests.find_token(transaction, address)
    if envelope is None or request.grant_home is None or request.grant_number is None:
        raise GoneError("the grant has ended, and its token with it")
    token = open_envelope(
        envelope, world.keyring.unwrapping, associated_data=_token_binding(world, request)
    )
    grant = RowKey(request.grant_home, request.grant_number)
    line = Event(
        partition=grant.partition,
        at=now,
        kind=EventKind.TOKEN_FETCHED,
        merchant_id=request.merchant_id,
        grant_id=grant.id,
    )
    events.record(transaction, [line], world.random.token_bytes)
    return token.decode("ascii"), world.keyring.ids.grant.encode(grant)


def binding_of(world: AppContext, grant: Grant) -> Binding:
    """Return what the box of a grant is bound to."""
    handle = world.keyring.ids.grant.encode(RowKey(grant.home, grant.number))
    return Binding(world.base_url, handle, grant.merchant_id)


def _lock_request(transaction: Transaction, question: OpenRequest) -> ConsentRequest:
    request = requests.lock(transaction, RowKey(question.request.home, question.request.number))
    if request is None:
        raise NotFoundError("no consent request here")
    return request


def _sealed_token(world: AppContext, request: ConsentRequest, token: str) -> bytes:
    return seal_envelope(
        token.encode("ascii"),
        GrantKey(world.random.token_bytes(32)),
        world.keyring.wrapping,
        associated_data=_token_binding(world, request),
        nonce=world.random.token_bytes(12),
    )


def _token_binding(world: AppContext, request: ConsentRequest) -> bytes:
    handle = world.keyring.ids.request.encode(RowKey(request.home, request.number))
    return f"token\n{handle}".encode()
