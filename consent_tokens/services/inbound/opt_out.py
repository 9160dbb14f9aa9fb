"""Opt-out by keyword: revoke or narrow the sender's grants, or decline its invitations."""

from collections.abc import Sequence

from consent_tokens.consent.grant import EndReason, Grant
from consent_tokens.consent.notice import purpose_list
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.services.consents.amendments import narrow_within
from consent_tokens.services.consents.invitations import record_refusal
from consent_tokens.services.consents.revocation import revoke_within
from consent_tokens.services.inbound.conversation import Conversation, lock_open_invitations
from consent_tokens.services.inbound.keyword_replies import (
    NARROWED,
    STOPPED,
    STOPPED_ALL,
    reply_text,
    send_help,
    send_merchant_reply,
    send_reply,
)
from consent_tokens.store import requests


def stop(conversation: Conversation) -> list[Grant]:
    """Revoke the grants of the sender's merchants; return them. Each merchant confirms once.

    A message that names purposes, as `STOP 1` does, removes only these.
    """
    if conversation.interpretation.purposes:
        return _stop_purposes(conversation)
    ended = _revoke(conversation, conversation.own_grants)
    decline(conversation)
    for merchant_id, language in {grant.merchant_id: grant.language for grant in ended}.items():
        send_merchant_reply(conversation, language, STOPPED, merchant_id)
    if not ended and conversation.is_to_service:
        send_help(conversation)
    return ended


def stop_all(conversation: Conversation) -> list[Grant]:
    """Revoke the grants of all merchants, with one confirmation; return them."""
    ended = _revoke(conversation, conversation.grants, is_spread=True)
    decline(conversation)
    if ended:
        count = len({grant.merchant_id for grant in ended})
        text = reply_text(conversation.language, STOPPED_ALL, count=count)
        send_reply(conversation, conversation.language, text, conversation.any_sender)
    return ended


def decline(conversation: Conversation) -> bool:
    """Decline the open invitations of the sender's merchants; return whether there was one."""
    runtime, transaction = conversation.runtime, conversation.transaction
    found = lock_open_invitations(conversation)
    for invitation, request in found:
        requests.record_decision(transaction, request.declined(runtime.clock.now()))
        record_refusal(runtime, conversation.policy, transaction, invitation)
    return bool(found)


def _stop_purposes(conversation: Conversation) -> list[Grant]:
    """Narrow the sender's grants; return those that had no other purpose, and were revoked."""
    stopped = conversation.interpretation.purposes
    affected = [each for each in conversation.own_grants if each.scope.purposes & stopped]
    if not affected:
        send_help(conversation)
    ended: list[Grant] = []
    for grant in affected:
        if grant.scope.purposes <= stopped:
            ended += _revoke(conversation, [grant])
            send_merchant_reply(conversation, grant.language, STOPPED, grant.merchant_id)
        else:
            _narrow(conversation, grant)
    return ended


def _revoke(
    conversation: Conversation, found: Sequence[Grant], *, is_spread: bool = False
) -> list[Grant]:
    runtime, transaction = conversation.runtime, conversation.transaction
    return [
        grant
        for grant in found
        if revoke_within(runtime, transaction, grant.key, EndReason.REPLY, is_spread=is_spread)
    ]


def _narrow(conversation: Conversation, grant: Grant) -> None:
    stopped = conversation.interpretation.purposes
    left = grant.scope.purposes - stopped
    reduction = ScopeReduction(purposes=left)
    narrow_within(conversation.runtime, conversation.transaction, grant.key, reduction)
    text = reply_text(
        grant.language,
        NARROWED,
        removed=purpose_list(grant.scope.purposes & stopped, grant.language),
        left=purpose_list(left, grant.language),
    )
    send_reply(conversation, grant.language, text, conversation.senders[grant.merchant_id])
