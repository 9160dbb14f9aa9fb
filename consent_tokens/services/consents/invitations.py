"""Invitations: consent requests that go out by SMS, to the consumer of a grant or to a START.

No answer is a no. A merchant whose invitation was declined or not answered, or whom the consumer
stopped, cannot invite the same consumer again during the cooldown, and nor can the merchants of its
control group; who blocks invitations gets none (promise 12).
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.consent.notice import Notice, compose_invitation
from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.consent.request import ConsentRequest, RequestedTerms, RequestStatus
from consent_tokens.consent.scope import SendWindow, format_time_of_day, invitation_window
from consent_tokens.crypto.message_link_ids import PLACEHOLDER_LINK_ID
from consent_tokens.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    InvitationRefusedError,
    TokenError,
)
from consent_tokens.evidence.events import Event, EventKind, request_event
from consent_tokens.evidence.journal import EntryKind, InvitationRecorded
from consent_tokens.evidence.rollups import Measure, of_messages
from consent_tokens.policies import ConsentPolicy, LinkMode
from consent_tokens.relay.case import limits_of
from consent_tokens.relay.composition import compose, with_signature_and_opt_out
from consent_tokens.relay.message import INVITATION_PURPOSE, Message, MessageStatus, Priority
from consent_tokens.row_key import RowKey
from consent_tokens.services import webhooks
from consent_tokens.services.integrity.journal_outbox import enqueue_entry, tag_of
from consent_tokens.services.policies_by_rules import with_rules
from consent_tokens.services.rollups.counting import count
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.token_verification import VerifiedToken
from consent_tokens.store import (
    control_groups,
    grants,
    invitations,
    merchant_consents,
    merchants,
    outbox,
    preferences,
    requests,
)
from consent_tokens.store.database import Transaction
from consent_tokens.store.grants import LockedGrant
from consent_tokens.store.invitations import Invitation
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.senders import Sender, first_usable
from consent_tokens.tokens.claims import Claims

INVITATION_VALIDITY: Final = timedelta(days=1)


def require_no_cooldown(
    runtime: Runtime,
    policy: ConsentPolicy,
    transaction: Transaction,
    merchant_id: str,
    reference: str | None,
) -> None:
    """Raise InvitationRefusedError while a `reference` is in its cooldown.

    It is after a question that it declined or did not answer, and after it stopped the merchant.
    """
    if reference is None:
        return
    now = runtime.clock.now()
    rest = with_rules(runtime, policy).invitation_cooldown
    granted = requests.latest_grant_for_reference(transaction, merchant_id, reference)
    refused_at: list[datetime | None] = []
    if granted is not None:
        own_stop = merchant_consents.last_stop(transaction, granted.partition, [merchant_id])
        refused_at.append(own_stop)
    last = requests.latest_for_reference(transaction, merchant_id, reference)
    if last and last.status_at(now) in {RequestStatus.DECLINED, RequestStatus.EXPIRED}:
        refused_at.append(last.decided_at or last.expires_at)
    next_at = max((at + rest for at in refused_at if at), default=now)
    if now < next_at:
        raise InvitationRefusedError(next_at)
    if granted is not None:
        others = set(control_groups.members(transaction, merchant_id)) - {merchant_id}
        _require_no_refusal(runtime, policy, transaction, granted.partition, others)


def _require_no_refusal(
    runtime: Runtime,
    policy: ConsentPolicy,
    transaction: Transaction,
    partition: int,
    merchant_ids: Collection[str],
) -> None:
    """Raise InvitationRefusedError while a no of a recipient to one of some merchants bars others.

    A no to one merchant of a control group bars them all, also one from before they were joined. It
    does not say when that ends: it would tell of another merchant's consumer.
    """
    now = runtime.clock.now()
    stopped_at = merchant_consents.last_stop(transaction, partition, merchant_ids)
    rest = with_rules(runtime, policy).invitation_cooldown
    is_stopped = stopped_at is not None and now < stopped_at + rest
    if is_stopped or invitations.resting_of(transaction, partition, merchant_ids, now):
        raise InvitationRefusedError


def send_invitation(
    runtime: Runtime,
    policy: ConsentPolicy,
    transaction: Transaction,
    request: ConsentRequest,
    token: VerifiedToken,
) -> ConsentRequest:
    """Send a new request by SMS to the consumer of one of the merchant's own tokens.

    Raises InvalidError if the token is not the merchant's, ConflictError if its grant has ended,
    InvitationRefusedError if the consumer declined, did not answer, stopped the merchant, or blocks
    invitations.
    """
    key, claims, locked = _grant_of_token(runtime, transaction, request.merchant_id, token.claims)
    if locked.grant.status is GrantStatus.PAUSED:
        raise InvitationRefusedError
    _require_welcome(runtime, policy, transaction, key, request.merchant_id)
    named, senders = merchants.find_with_senders(transaction, [request.merchant_id])()
    merchant = named[request.merchant_id]
    if PurposeClass.MARKETING not in merchant.usable_classes:  # an invitation is of that class
        raise ForbiddenError("the merchant is not admitted for marketing")
    sender = first_usable(
        senders.get(request.merchant_id, ()), PurposeClass.MARKETING, runtime.clock.now()
    )
    if sender is None:
        raise ForbiddenError("no sender is admitted for this merchant")
    # the consumer's own language, not the one that the merchant guesses
    request = replace(request, terms=replace(request.terms, locale=locked.grant.language))
    text = invitation_text(runtime, policy, request, merchant, locked.grant.language)
    limits = limits_of(
        runtime.rules.current(),
        INVITATION_PURPOSE,
        locked.grant,
        runtime.clock.now(),
        is_demonstration=merchant.is_demonstration,
    )
    message = _message(
        runtime,
        request,
        sender,
        locked.grant,
        sealed_number=claims.sealed_number,
        text=text,
        links=limits.link_mode,
    )
    outbox.enqueue(transaction, [message])
    count(runtime, transaction, of_messages([message], Measure.ACCEPTED, message.accepted_at))
    record_invitation(runtime, policy, transaction, request, key.partition)
    return request


def _grant_of_token(
    runtime: Runtime, transaction: Transaction, merchant_id: str, claims: Claims | TokenError
) -> tuple[RowKey, Claims, LockedGrant]:
    if isinstance(claims, TokenError):
        raise InvalidError({"token": [claims.error_code]})
    key = runtime.ids.grant.decode(claims.jti)
    if claims.merchant_id != merchant_id or key is None:
        raise InvalidError({"token": ["token_not_yours"]})
    locked = grants.lock_one(transaction, key)
    if locked is None or locked.wrapped_key is None:
        raise ConflictError("the consent has ended")
    return key, claims, locked


def _require_welcome(
    runtime: Runtime,
    policy: ConsentPolicy,
    transaction: Transaction,
    key: RowKey,
    merchant_id: str,
) -> None:
    """Raise InvitationRefusedError, the same for every reason, so that it reveals none."""
    now = runtime.clock.now()
    preferred = preferences.find(transaction, key.partition)
    if preferred.no_invitations or preferred.is_quiet_at(now):
        raise InvitationRefusedError
    group = control_groups.members(transaction, merchant_id)
    _require_no_refusal(runtime, policy, transaction, key.partition, group)


def _message(  # noqa: PLR0913 - what makes a message
    runtime: Runtime,
    request: ConsentRequest,
    sender: Sender,
    grant: Grant,
    *,
    sealed_number: bytes,
    text: str,
    links: LinkMode,
) -> Message:
    now = runtime.clock.now()
    send_at = _invitation_window(grant).next_open(now)
    whole = with_signature_and_opt_out(
        text,
        signature=sender.signature,
        language=grant.language,
        link=runtime.service.opt_out_link(PurposeClass.MARKETING, PLACEHOLDER_LINK_ID, links),
        is_limited=True,
    )
    return Message(
        key=runtime.new_key(grant.key.partition),
        grant_key=grant.key,
        merchant_id=request.merchant_id,
        sender_id=sender.id,
        priority=Priority.MARKETING,
        purpose=INVITATION_PURPOSE,
        status=MessageStatus.DEFERRED if send_at > now else MessageStatus.QUEUED,
        accepted_at=now,
        send_at=send_at,
        valid_until=min(send_at + INVITATION_VALIDITY, request.expires_at),
        changed_at=now,
        segments=len(compose(whole).segments),
        sealed_number=sealed_number,
        text=text,
    )


def _invitation_window(grant: Grant) -> SendWindow:
    """Return when invitations leave, in every time zone that the recipient may be in."""
    try:
        return invitation_window(grant.scope.send_window)
    except ValueError:  # never at once in all of them
        raise InvitationRefusedError from None


def record_invitation(
    runtime: Runtime,
    policy: ConsentPolicy,
    transaction: Transaction,
    request: ConsentRequest,
    partition: int,
) -> None:
    """Record that a recipient was invited: until the cooldown is over, no answer is a no."""
    now = runtime.clock.now()
    invitation = Invitation(
        key=runtime.new_key(partition),
        merchant_id=request.merchant_id,
        request_key=request.key,
        invited_at=now,
        next_allowed_at=now + with_rules(runtime, policy).invitation_cooldown,
    )
    invitations.add(transaction, invitation)
    enqueue_invitation(runtime, transaction, EntryKind.INVITED, invitation)
    event = Event(
        partition=partition, at=now, kind=EventKind.INVITATION_SENT, merchant_id=request.merchant_id
    )
    runtime.record(transaction, event)


def record_refusal(
    runtime: Runtime, policy: ConsentPolicy, transaction: Transaction, invitation: Invitation
) -> None:
    """Record a no to an invitation; the cooldown begins anew.

    The caller flushes the revocation journal after the commit.
    """
    now = runtime.clock.now()
    next_allowed_at = now + with_rules(runtime, policy).invitation_cooldown
    invitations.record_refusal(transaction, invitation, next_allowed_at)
    refused = replace(invitation, is_open=False, next_allowed_at=next_allowed_at)
    enqueue_invitation(runtime, transaction, EntryKind.DECLINED, refused)
    event = Event(
        partition=invitation.key.partition,
        at=now,
        kind=EventKind.INVITATION_REFUSED,
        merchant_id=invitation.merchant_id,
    )
    runtime.record(transaction, event)


def enqueue_invitation(
    runtime: Runtime, transaction: Transaction, kind: EntryKind, invitation: Invitation
) -> None:
    """Queue an invitation for the revocation journal, as it is now."""
    entry = InvitationRecorded(
        key=invitation.key,
        tag=tag_of(runtime, transaction, invitation.key.partition),
        merchant_id=invitation.merchant_id,
        request_key=invitation.request_key,
        invited_at=invitation.invited_at,
        next_allowed_at=invitation.next_allowed_at,
        is_open=invitation.is_open,
    )
    enqueue_entry(runtime, transaction, kind, entry)


def decline_open_invitations(
    runtime: Runtime,
    policy: ConsentPolicy,
    transaction: Transaction,
    partition: int,
    merchant_ids: Collection[str],
) -> None:
    """Decline what these merchants asked a recipient by SMS and is not answered yet."""
    now = runtime.clock.now()
    for invitation in invitations.resting_of(transaction, partition, merchant_ids, now):
        request = requests.lock(transaction, invitation.request_key) if invitation.is_open else None
        if request is not None and request.status_at(now) is RequestStatus.PENDING:
            declined = request.declined(now)
            requests.record_decision(transaction, declined)
            webhooks.enqueue(runtime, transaction, [webhooks.request_event(runtime, declined)], now)
            record_refusal(runtime, policy, transaction, invitation)
            runtime.record(transaction, request_event(request, EventKind.REQUEST_DECLINED, now))


def invitation_text(
    runtime: Runtime,
    policy: ConsentPolicy,
    request: ConsentRequest,
    merchant: Merchant,
    language: str,
) -> str:
    """Return the SMS of an invitation: its terms, and the link to the consent page."""
    page_id = runtime.ids.consent_page.encode(request.key)
    terms = invitation_terms(policy, request, merchant, language)
    return f"{terms} {runtime.service.base_url}/c/{page_id}"


def invitation_terms(
    policy: ConsentPolicy, request: ConsentRequest, merchant: Merchant, language: str
) -> str:
    """Return the terms as one SMS states them; a yes by reply agrees to these very words."""
    takes_reply = policy.opt_in_by_reply
    return compose_invitation(merchant.name, request.terms, language, takes_reply=takes_reply)


def invitation_notice(
    policy: ConsentPolicy, request: ConsentRequest, merchant: Merchant, language: str
) -> Notice:
    """Return the notice of a yes by reply: the very words of the SMS."""
    return Notice(language, invitation_terms(policy, request, merchant, language) + "\n")


def terms_for_start(
    transaction: Transaction, merchant: Merchant, partition: int
) -> RequestedTerms | None:
    """Return what to ask a phone that texted START; None if the merchant never asked anybody.

    It is what that phone once agreed to, else what the merchant asked last.
    """
    found = [g for g in grants.of_recipient(transaction, partition) if g.merchant_id == merchant.id]
    if found:
        scope = found[0].scope
        return RequestedTerms(
            purposes=scope.purposes,
            frequency_cap=scope.frequency_cap,
            opens=format_time_of_day(scope.send_window.opens),
            closes=format_time_of_day(scope.send_window.closes),
            valid_for=timedelta(days=max(1, (scope.ends_at - found[0].granted_at).days)),
            locale=found[0].language,
        )
    last = requests.latest_of_merchant(transaction, merchant.partition)
    return replace(last.terms, reference=None, return_url=None) if last else None
