"""Act on an inbound message (MO): stop, narrow, help, start, yes. Its text is not kept.

A reply only ever takes back, with two exceptions in which the consumer comes on their own: START
asks for the consent request, and Y grants it, where the operator allows that. Each answer is one
SMS; a message that may be a stop is asked back once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from consent_tokens.consent.grant import EndReason, Grant, GrantStatus
from consent_tokens.consent.keywords import Intent, Interpretation, KeywordMatcher
from consent_tokens.consent.notice import purpose_list
from consent_tokens.consent.request import ConsentRequest, RequestStatus
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.gateways.base import MobileOriginated
from consent_tokens.localization import DEFAULT_LANGUAGE, supported_language
from consent_tokens.policies import ConsentPolicy, RateLimit
from consent_tokens.relay.composition import with_signature_and_opt_out
from consent_tokens.row_key import ID_BYTES
from consent_tokens.services.consents import invitations
from consent_tokens.services.consents.amendments import narrow_within, resume_within
from consent_tokens.services.consents.decisions import create_grant
from consent_tokens.services.consents.revocation import revoke_within
from consent_tokens.services.inbound.keyword_replies import (
    AGREED,
    ALREADY_LIVE,
    HELP,
    HELP_WITHOUT_CONSENT,
    NARROWED,
    STOPPED,
    STOPPED_ALL,
    UNCLEAR,
    numbered_purpose_list,
    reply_text,
)
from consent_tokens.services.integrity.journal_outbox import flush_journal
from consent_tokens.services.outbox.service_messages import compose_service_message
from consent_tokens.services.rate_limits import try_acquire
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import grants, merchants, outbox, recipients, requests
from consent_tokens.store import invitations as stored_invitations
from consent_tokens.store.database import Transaction
from consent_tokens.store.invitations import Invitation
from consent_tokens.store.merchants import Merchant, Sender, is_active

CONFIRMATION_PURPOSE: Final = "service.confirmation"
CLARIFICATION_LIMIT: Final = RateLimit(1, timedelta(days=1))  # what is unclear is asked back once
REPLY_LIMIT: Final = RateLimit(6, timedelta(days=1))  # answers to one phone from one sender
ENDED: Final = frozenset({GrantStatus.REVOKED, GrantStatus.EXPIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Conversation:
    """One inbound message, with what is known of its phone and of the sender it went to."""

    runtime: Runtime
    policy: ConsentPolicy
    transaction: Transaction
    inbound: MobileOriginated
    interpretation: Interpretation
    partition: int | None  # of the recipient, if the service knows the number
    senders: Mapping[str, Sender]  # that send from the address replied to, by merchant id
    merchants: Mapping[str, Merchant]
    grants: Sequence[Grant]  # of the recipient, over all merchants, not ended
    is_to_service: bool  # the message went to the service's own sender

    @property
    def own_grants(self) -> list[Grant]:
        """Return the grants of the merchants behind the sender that was replied to."""
        return [grant for grant in self.grants if grant.merchant_id in self.senders]

    @property
    def language(self) -> str:
        """Return the language to answer in: of the consents, else of the keyword."""
        known = next((grant.language for grant in [*self.own_grants, *self.grants]), None)
        keyword = self.interpretation.language
        return known or supported_language(keyword) or ("en" if keyword else DEFAULT_LANGUAGE)

    @property
    def any_sender(self) -> Sender | None:
        """Return a sender to answer from; None for the service's own."""
        return next(iter(self.senders.values()), None)


def handle_inbound(
    runtime: Runtime, policy: ConsentPolicy, matcher: KeywordMatcher, inbound: MobileOriginated
) -> list[Grant]:
    """Act on an inbound message; return the grants that it ended.

    A message that means nothing to the service changes nothing, and none is kept.
    """
    interpretation = matcher.interpret(inbound.text)
    if interpretation.intent is Intent.OTHER:
        return []

    def work(transaction: Transaction) -> list[Grant]:
        conversation = _load(runtime, policy, transaction, inbound, interpretation)
        if not conversation.senders and not conversation.is_to_service:
            return []
        is_scoped = interpretation.intent is Intent.STOP and interpretation.purposes
        handler = _stop_purposes if is_scoped else HANDLERS[interpretation.intent]
        return handler(conversation)

    ended = runtime.database.run(work)
    if ended:
        flush_journal(runtime)
        runtime.database.truncate_wal()
    runtime.wake_dispatcher.set()
    return ended


def _load(
    runtime: Runtime,
    policy: ConsentPolicy,
    transaction: Transaction,
    inbound: MobileOriginated,
    interpretation: Interpretation,
) -> _Conversation:
    partition = recipients.find(transaction, runtime.blind_index(inbound.number))
    senders = {
        sender.merchant_id: sender
        for sender in merchants.senders_with_source(transaction, inbound.source)
    }
    now = runtime.clock.now()
    found = grants.of_recipient(transaction, partition) if partition is not None else []
    live = [grant for grant in found if grant.status_at(now) not in ENDED]
    named = [*senders, *(grant.merchant_id for grant in live)]
    return _Conversation(
        runtime=runtime,
        policy=policy,
        transaction=transaction,
        inbound=inbound,
        interpretation=interpretation,
        partition=partition,
        senders=senders,
        merchants=merchants.find_many(transaction, named),
        grants=live,
        is_to_service=inbound.source == runtime.service.sender,
    )


# --- Taking back ---------------------------------------------------------------------------------


def _stop(conversation: _Conversation) -> list[Grant]:
    """End all grants of the sender's merchants, with one confirmation a merchant."""
    ended = _revoke(conversation, conversation.own_grants)
    _decline(conversation)
    for merchant_id, language in {grant.merchant_id: grant.language for grant in ended}.items():
        _reply_for_merchant(conversation, language, STOPPED, merchant_id)
    if not ended and conversation.is_to_service:
        _help(conversation)
    return ended


def _stop_all(conversation: _Conversation) -> list[Grant]:
    """End all grants of all merchants, with one confirmation."""
    ended = _revoke(conversation, conversation.grants)
    _decline(conversation)
    if ended:
        count = len({grant.merchant_id for grant in ended})
        text = reply_text(conversation.language, STOPPED_ALL, count=count)
        _send(conversation, conversation.language, text, conversation.any_sender)
    return ended


def _stop_purposes(conversation: _Conversation) -> list[Grant]:
    """Take some purposes out of the sender's grants; a grant left with none is ended."""
    stopped = conversation.interpretation.purposes
    affected = [each for each in conversation.own_grants if each.scope.purposes & stopped]
    if not affected:
        return _help(conversation)
    ended: list[Grant] = []
    for grant in affected:
        left = grant.scope.purposes - stopped
        if not left:
            ended += _revoke(conversation, [grant])
            _reply_for_merchant(conversation, grant.language, STOPPED, grant.merchant_id)
            continue
        narrow_within(
            conversation.runtime,
            conversation.transaction,
            grant.key,
            ScopeReduction(purposes=left),
        )
        text = reply_text(
            grant.language,
            NARROWED,
            removed=purpose_list(grant.scope.purposes & stopped, grant.language),
            left=purpose_list(left, grant.language),
        )
        _send(conversation, grant.language, text, conversation.senders[grant.merchant_id])
    return ended


def _revoke(conversation: _Conversation, found: Sequence[Grant]) -> list[Grant]:
    runtime, transaction = conversation.runtime, conversation.transaction
    return [
        grant for grant in found if revoke_within(runtime, transaction, grant.key, EndReason.REPLY)
    ]


def _decline(conversation: _Conversation) -> list[Grant]:
    """Decline every open invitation of this sender's merchants."""
    runtime, transaction = conversation.runtime, conversation.transaction
    for invitation, request in _open_invitations(conversation):
        requests.record_decision(transaction, request.declined(runtime.clock.now()))
        invitations.record_refusal(runtime, conversation.policy, transaction, invitation)
    return []


# --- Allowing, by the consumer's own initiative --------------------------------------------------


def _grant(conversation: _Conversation) -> list[Grant]:
    """Grant the newest open invitation of this sender, if the operator allows opt-in by reply."""
    policy = conversation.policy
    if not policy.opt_in_by_reply:
        return []
    for invitation, request in _open_invitations(conversation)[:1]:
        merchant = conversation.merchants[invitation.merchant_id]
        if not is_active(merchant):
            continue
        language = supported_language(request.terms.locale) or conversation.language
        create_grant(
            conversation.runtime,
            policy,
            conversation.transaction,
            request,
            conversation.inbound.number,
            invitations.invitation_notice(policy, request, merchant, language),
            ScopeReduction(purposes=request.terms.purposes),
        )
        _reply_for_merchant(conversation, language, AGREED, merchant.id)
    return []


def _start(conversation: _Conversation) -> list[Grant]:
    """Resume paused grants of this sender's merchants; send others their consent request."""
    for merchant_id in conversation.senders:
        merchant = conversation.merchants[merchant_id]
        own = [each for each in conversation.own_grants if each.merchant_id == merchant_id]
        if own:
            _resume(conversation, own)
        elif is_active(merchant):
            _send_request(conversation, merchant)
    return []


def _resume(conversation: _Conversation, found: Sequence[Grant]) -> None:
    for grant in found:
        if grant.status is GrantStatus.PAUSED:
            resume_within(conversation.runtime, conversation.transaction, grant.key)
    if _may_reply(conversation, REPLY_LIMIT):
        _reply_for_merchant(conversation, found[0].language, ALREADY_LIVE, found[0].merchant_id)


def _send_request(conversation: _Conversation, merchant: Merchant) -> None:
    """Send a merchant's consent request to a phone that texted START, even after a refusal."""
    runtime, policy = conversation.runtime, conversation.policy
    transaction, now = conversation.transaction, runtime.clock.now()
    partition = recipients.get_or_create(
        transaction,
        runtime.blind_index(conversation.inbound.number),
        runtime.random.token_bytes(ID_BYTES),
    )
    terms = invitations.terms_for_start(transaction, merchant, partition)
    if terms is None or not _may_reply(conversation, REPLY_LIMIT):
        return
    request = ConsentRequest(
        key=runtime.new_key(merchant.partition),
        merchant_id=merchant.id,
        terms=terms,
        created_at=now,
        expires_at=now + policy.request_ttl,
    )
    requests.add(transaction, request)
    invitations.record_invitation(runtime, policy, transaction, request, partition)
    language = supported_language(terms.locale) or conversation.language
    text = invitations.invitation_text(runtime, policy, request, merchant, language)
    _send(conversation, language, text, conversation.senders[merchant.id])


def _open_invitations(conversation: _Conversation) -> list[tuple[Invitation, ConsentRequest]]:
    """Return the invitations of this sender's merchants that this phone has not answered."""
    if conversation.partition is None:
        return []
    transaction, now = conversation.transaction, conversation.runtime.clock.now()
    found = stored_invitations.resting_of(
        transaction, conversation.partition, list(conversation.senders), now
    )
    pairs = [(each, requests.lock(transaction, each.request_key)) for each in found if each.is_open]
    return [
        (each, request)
        for each, request in pairs
        if request is not None and request.status_at(now) is RequestStatus.PENDING
    ]


# --- Answers -------------------------------------------------------------------------------------


def _help(conversation: _Conversation) -> list[Grant]:
    """Say what the sender's merchants may send, and how to stop it."""
    if not _may_reply(conversation, REPLY_LIMIT):
        return []
    url = f"{conversation.runtime.service.base_url}/my"
    for grant in conversation.own_grants:
        text = reply_text(
            grant.language,
            HELP,
            merchant=conversation.merchants[grant.merchant_id].name,
            purposes=numbered_purpose_list(grant.scope.purposes, grant.language),
            url=url,
        )
        _send(conversation, grant.language, text, conversation.senders[grant.merchant_id])
    if not conversation.own_grants:
        text = reply_text(conversation.language, HELP_WITHOUT_CONSENT, url=url)
        _send(conversation, conversation.language, text, conversation.any_sender)
    return []


def _clarify(conversation: _Conversation) -> list[Grant]:
    """Ask once what was meant, if there is anything to stop."""
    own = conversation.own_grants
    if own and _may_reply(conversation, CLARIFICATION_LIMIT, "clarification"):
        _reply_for_merchant(conversation, own[0].language, UNCLEAR, own[0].merchant_id)
    return []


def _may_reply(conversation: _Conversation, limit: RateLimit, kind: str = "reply") -> bool:
    """Count one more answer to this phone from this sender; return whether it may be sent."""
    runtime, inbound = conversation.runtime, conversation.inbound
    now = runtime.clock.now()
    key = runtime.rate_limit_key(kind, f"{inbound.source}\n{inbound.number.reveal()}")
    return try_acquire(conversation.transaction, key, [limit], now) == now


def _reply_for_merchant(
    conversation: _Conversation, language: str, msgid: str, merchant_id: str
) -> None:
    text = reply_text(language, msgid, merchant=conversation.merchants[merchant_id].name)
    _send(conversation, language, text, conversation.senders[merchant_id])


def _send(conversation: _Conversation, language: str, text: str, sender: Sender | None) -> None:
    runtime = conversation.runtime
    signature = sender.signature if sender else runtime.service.name
    message = compose_service_message(
        runtime,
        conversation.inbound.number,
        with_signature_and_opt_out(text, signature=signature, language=language, link=None),
        purpose=CONFIRMATION_PURPOSE,
        sender_id=sender.id if sender else None,
    )
    outbox.enqueue(conversation.transaction, [message])
    runtime.record(
        conversation.transaction,
        Event(
            partition=message.key.partition,
            at=runtime.clock.now(),
            kind=EventKind.REPLY_ANSWERED,
            message_id=message.key.id,
            reason=conversation.interpretation.intent.value,
        ),
    )


HANDLERS: Final[Mapping[Intent, Callable[[_Conversation], list[Grant]]]] = {
    Intent.STOP: _stop,
    Intent.STOP_ALL: _stop_all,
    Intent.NO: _decline,
    Intent.YES: _grant,
    Intent.START: _start,
    Intent.HELP: _help,
    Intent.UNCLEAR: _clarify,
}
