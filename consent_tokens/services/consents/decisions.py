"""A consumer answers: yes, with the number proved, or no. After a yes the token waits 24 hours."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from consent_tokens.app_context import World
from consent_tokens.consent.grant import Grant, GrantState
from consent_tokens.consent.notice import Notice, Records, Terms, compose
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.consent.purposes import in_order
from consent_tokens.consent.request import ConsentRequest
from consent_tokens.consent.scope import Less
from consent_tokens.crypto.keyed_hashes import blind_index
from consent_tokens.crypto.keys import GrantKey
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.crypto.sealing import disclose, enclose, wrap
from consent_tokens.errors import ConflictError, GoneError, InvalidError, NotFoundError
from consent_tokens.evidence.events import Event, Kind
from consent_tokens.services.consents.invitations import refuse
from consent_tokens.services.consents.receipts import for_yes
from consent_tokens.services.number_verification import Secret, prove, service_message
from consent_tokens.services.webhooks import announce, of_grant
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
class Asked:
    """A request as the consumer sees it."""

    code: str
    request: ConsentRequest
    merchant: Merchant

    @property
    def about(self) -> str:
        """Return what a one-time code for this request is for; it opens nothing else."""
        return f"consent {self.code}"

    def notice(
        self, less: Less, zone: ZoneInfo, language: str, records: Records, now: datetime
    ) -> Notice:
        """Return the exact words for what was chosen, as of now. Raises ValueError."""
        scope = self.request.scope_for(less, zone, now)
        terms = Terms(
            merchant=self.merchant.name,
            purposes=in_order(scope.purposes),
            cap=scope.cap,
            hours=scope.hours,
            ends=scope.ends,
            records=records,
        )
        return compose(terms, language)


@dataclass(frozen=True, slots=True, kw_only=True)
class Yes:
    """A consumer's yes, as it comes from the page: what was ticked, and the words that stood there.

    `words` is the SHA-256 of the notice on the page: a yes to other words is none.
    """

    less: Less
    language: str
    words: bytes
    secret: Secret | None
    code: str
    wants_text: bool = False  # the receipt as an SMS, too


@dataclass(frozen=True, slots=True)
class Given:
    """A grant, and the handle of the receipt for it."""

    grant: Grant
    receipt: str | None


def asked(world: World, code: str) -> Asked:
    """Return the request behind `/c/{code}`. Raises NotFoundError."""
    address = world.keyring.handles.code.find(code)

    def question(transaction: Transaction) -> Asked:
        request = requests.find(transaction, address) if address else None
        merchant = merchants.find(transaction, request.merchant_id) if request else None
        if request is None or merchant is None:
            raise NotFoundError("no consent request here")
        return Asked(code, request, merchant)

    return world.store.read(question)


def decline(world: World, question: Asked) -> None:
    """Record the consumer's no. Raises ConflictError if the request is closed."""
    now = world.clock.now()

    def deed(transaction: Transaction) -> None:
        request = _held(transaction, question)
        requests.put_decision(transaction, request.declined(now))
        if world.store.has_wishes:
            address = Address(request.home, request.number)
            if invitation := invitations.of_request(transaction, address):
                refuse(world, transaction, invitation)
        line = Event(
            home=request.home, at=now, kind=Kind.REQUEST_DECLINED, merchant_id=request.merchant_id
        )
        events.record(transaction, [line], world.chance.draw)

    world.store.run(deed)


def agree(world: World, question: Asked, yes: Yes) -> Given | None:
    """Return the grant that a proved yes makes; None if the code proves nothing.

    Raises ConflictError if the request is closed, InvalidError if nothing was ticked or if the
    words on the page are no longer the words of the grant.
    """
    now = world.clock.now()

    def deed(transaction: Transaction) -> Given | None:
        request = _held(transaction, question)
        merchant = merchants.find(transaction, request.merchant_id)
        if not is_active(merchant):
            raise ConflictError("the platform does not let this merchant ask at present")
        if not (yes.less.purposes or frozenset()) & request.question.purposes:
            raise InvalidError({"purposes": ["choose_one"]})
        number = prove(world, transaction, yes.secret, about=question.about, code=yes.code)
        if number is None:
            return None
        zone = number.zone(world.zone)
        notice = question.notice(yes.less, zone, yes.language, records_of(world), now)
        if notice.digest != yes.words:
            raise InvalidError({"notice": ["changed"]})
        given = give(world, transaction, request, number, notice, yes.less)
        if yes.wants_text and given.receipt:
            url = f"{world.base_url}/receipts/{given.receipt}"
            text = RECEIPT_WORDS[yes.language].format(service=world.service_name, url=url)
            message = service_message(world, number, text, purpose=RECEIPT_PURPOSE)
            messages.put_out(transaction, [message])
        return given

    given = world.store.run(deed)
    world.something_to_do.set()
    return given


def give(
    world: World,
    transaction: Transaction,
    request: ConsentRequest,
    number: PhoneNumber,
    notice: Notice,
    less: Less,
) -> Given:
    """Return the grant of a yes, kept with its key and its words, once the number is proved."""
    now = world.clock.now()
    home = recipients.settle(
        transaction, blind_index(number.reveal(), world.keyring.index), world.chance.draw(8)
    )
    grant = Grant(
        home=home,
        number=Address.at(home, world.chance.draw(8)).number,
        merchant_id=request.merchant_id,
        scope=request.scope_for(less, number.zone(world.zone), now),
        language=notice.language,
        granted=now,
        state=GrantState.LIVE,
        since=now,
    )
    receipt = _keep(world, transaction, request, grant, number, notice)
    return Given(grant, receipt)


def records_of(world: World) -> Records:
    """Return how long texts, and the fact that they were sent, are kept."""
    return Records(texts=world.texts_for, sendings=world.records_for)


def _keep(
    world: World,
    transaction: Transaction,
    request: ConsentRequest,
    grant: Grant,
    number: PhoneNumber,
    notice: Notice,
) -> str | None:
    """Keep a new grant with its key and its words, and lay its token out for the merchant."""
    now = grant.granted
    key = GrantKey(world.chance.draw(32))
    grants.add(transaction, grant, wrapped_key=wrap(key, world.keyring.wrapping), notice=notice)
    binding = binding_of(world, grant)
    token = mint(
        grant,
        binding,
        box=seal_number(number, key, binding, world.chance.draw(12)),
        notice=notice.digest,
        now=now,
        key=world.keyring.signing,
    )
    granted = request.granted(now, grant_home=grant.home, grant_number=grant.number)
    requests.put_decision(transaction, granted, token=_enclosed(world, request, token))
    line = Event(
        home=grant.home,
        at=now,
        kind=Kind.GRANT_GIVEN,
        merchant_id=grant.merchant_id,
        grant=grant.number,
    )
    events.record(transaction, [line], world.chance.draw)
    announce(world, transaction, [of_grant(world, grant)], now)
    if world.store.has_wishes:
        invitations.forget_all(transaction, grant.home, grant.merchant_id)
    return for_yes(world, transaction, grant, notice)


def fetch_token(world: World, transaction: Transaction, request: ConsentRequest) -> tuple[str, str]:
    """Return the waiting token and the handle of its grant.

    Raises ConflictError before the yes, GoneError after 24 hours or once the grant has ended.
    """
    now = world.clock.now()
    request.token_waits(now)
    address = Address(request.home, request.number)
    envelope = requests.waiting_token(transaction, address)
    if envelope is None or request.grant_home is None or request.grant_number is None:
        raise GoneError("the grant has ended, and its token with it")
    token = disclose(envelope, world.keyring.unwrapping, bound_to=_token_binding(world, request))
    grant = Address(request.grant_home, request.grant_number)
    line = Event(
        home=grant.home,
        at=now,
        kind=Kind.TOKEN_FETCHED,
        merchant_id=request.merchant_id,
        grant=grant.number,
    )
    events.record(transaction, [line], world.chance.draw)
    return token.decode("ascii"), world.keyring.handles.grant.hide(grant)


def binding_of(world: World, grant: Grant) -> Binding:
    """Return what the box of a grant is bound to."""
    handle = world.keyring.handles.grant.hide(Address(grant.home, grant.number))
    return Binding(world.base_url, handle, grant.merchant_id)


def _held(transaction: Transaction, question: Asked) -> ConsentRequest:
    request = requests.lock(transaction, Address(question.request.home, question.request.number))
    if request is None:
        raise NotFoundError("no consent request here")
    return request


def _enclosed(world: World, request: ConsentRequest, token: str) -> bytes:
    return enclose(
        token.encode("ascii"),
        GrantKey(world.chance.draw(32)),
        world.keyring.wrapping,
        bound_to=_token_binding(world, request),
        nonce=world.chance.draw(12),
    )


def _token_binding(world: World, request: ConsentRequest) -> bytes:
    handle = world.keyring.handles.request.hide(Address(request.home, request.number))
    return f"token\n{handle}".encode()
