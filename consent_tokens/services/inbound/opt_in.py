"""Opt-in by keyword: START asks for a consent request, and Y grants it, where that is allowed."""

from collections.abc import Sequence

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.request import ConsentRequest
from consent_tokens.consent.scope import Scope, ScopeReduction
from consent_tokens.localization import supported_language
from consent_tokens.services.consents.allowed_terms import within_rules
from consent_tokens.services.consents.amendments import resume_within
from consent_tokens.services.consents.decisions import create_grant
from consent_tokens.services.consents.invitations import (
    invitation_notice,
    invitation_text,
    record_invitation,
    terms_for_start,
)
from consent_tokens.services.consents.recipients import get_or_create_recipient
from consent_tokens.services.inbound.conversation import Conversation, lock_open_invitations
from consent_tokens.services.inbound.keyword_replies import (
    AGREED,
    ALREADY_LIVE,
    REPLY_LIMITS,
    may_reply,
    send_help,
    send_merchant_reply,
    send_reply,
)
from consent_tokens.store import requests
from consent_tokens.store.merchants import Merchant, is_active


def grant(conversation: Conversation) -> None:
    """Grant the newest open invitation of this sender, if the operator allows opt-in by reply."""
    policy = conversation.policy
    if not policy.opt_in_by_reply:
        return
    for invitation, request in lock_open_invitations(conversation)[:1]:
        merchant = conversation.merchants[invitation.merchant_id]
        if not is_active(merchant, conversation.runtime.service):
            continue
        language = supported_language(request.terms.locale) or conversation.language
        allowed, _ = within_rules(conversation.runtime, policy, request, merchant)
        scope = _scope(conversation, allowed)
        if scope is None:
            send_help(conversation)
            return
        create_grant(
            conversation.runtime,
            conversation.transaction,
            request,
            conversation.inbound.number,
            invitation_notice(policy, request, merchant, language),
            scope,
        )
        send_merchant_reply(conversation, language, AGREED, merchant.id)


def _scope(conversation: Conversation, request: ConsentRequest) -> Scope | None:
    """Return what a request asks, in the phone's time zones; None if that is not possible."""
    timezones = conversation.inbound.number.timezones(conversation.policy.default_timezone)
    reduction, now = ScopeReduction(), conversation.runtime.clock.now()
    try:
        return request.scope_for(reduction, timezones, now)
    except ValueError:  # the hours are never open in all time zones, or rules forbid all of it
        return None


def start(conversation: Conversation) -> None:
    """Resume the paused grants of the sender's merchants; others send their consent request."""
    for merchant_id in conversation.senders:
        merchant = conversation.merchants[merchant_id]
        own = [each for each in conversation.own_grants if each.merchant_id == merchant_id]
        if own:
            _resume(conversation, own)
        elif is_active(merchant, conversation.runtime.service):
            _send_request(conversation, merchant)


def _resume(conversation: Conversation, found: Sequence[Grant]) -> None:
    for each in found:
        if each.status is GrantStatus.PAUSED:
            resume_within(conversation.runtime, conversation.transaction, each.key)
    if may_reply(conversation, REPLY_LIMITS):
        send_merchant_reply(conversation, found[0].language, ALREADY_LIVE, found[0].merchant_id)


def _send_request(conversation: Conversation, merchant: Merchant) -> None:
    """Send a merchant's consent request to a phone that texted START, even after a refusal."""
    runtime, policy = conversation.runtime, conversation.policy
    transaction, now = conversation.transaction, runtime.clock.now()
    partition = get_or_create_recipient(runtime, transaction, conversation.inbound.number)
    terms = terms_for_start(transaction, merchant, partition)
    if terms is None or not may_reply(conversation, REPLY_LIMITS):
        return
    request = ConsentRequest(
        key=runtime.new_key(merchant.partition),
        merchant_id=merchant.id,
        terms=terms,
        created_at=now,
        expires_at=now + policy.request_ttl,
    )
    requests.add(transaction, request)
    record_invitation(runtime, policy, transaction, request, partition)
    language = supported_language(terms.locale) or conversation.language
    text = invitation_text(runtime, policy, request, merchant, language)
    send_reply(conversation, language, text, conversation.senders[merchant.id])
