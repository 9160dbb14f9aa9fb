"""Replies to inbound keywords: one SMS each, without marketing (47 CFR 64.1200(a)(12)).

The texts are msgids of the gettext catalogues. Replies to one phone are limited, so that two
machines that answer each other stop.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from consent_tokens.consent.purposes import Purpose, in_catalogue_order
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.localization import N_, catalogue, join_list
from consent_tokens.policies import RateLimit
from consent_tokens.relay.composition import with_signature_and_opt_out
from consent_tokens.services.inbound.conversation import Conversation
from consent_tokens.services.outbox.service_messages import compose_service_message
from consent_tokens.services.rate_limits import try_acquire
from consent_tokens.store import outbox
from consent_tokens.store.senders import Sender

CONFIRMATION_PURPOSE: Final = "service.confirmation"
REPLY_LIMITS: Final = (RateLimit(6, timedelta(days=1)),)  # to one phone from one sender

STOPPED: Final = N_("Stopped. %(merchant)s will not text you any more.")
STOPPED_ALL: Final = N_("All stopped. None of %(count)s merchants will text you any more.")
NARROWED: Final = N_("Done. No more: %(removed)s. Still: %(left)s. Reply STOP to stop it all.")
HELP: Final = N_(
    "%(merchant)s may text you: %(purposes)s. Reply STOP to stop it all, or STOP and a number, "
    "as in STOP 1. All your consents: %(url)s"
)
HELP_WITHOUT_CONSENT: Final = N_(
    "No merchant may text you from this number. All your consents: %(url)s"
)
UNCLEAR: Final = N_(
    "Shall %(merchant)s stop texting you? Reply STOP or YES to stop; else do nothing."
)
AGREED: Final = N_("Thank you. %(merchant)s may text you now. Reply STOP at any time to stop.")
ALREADY_LIVE: Final = N_("%(merchant)s may text you already. Reply STOP to stop.")


def reply_text(language: str, msgid: str, **members: object) -> str:
    """Return one of the texts above in a language, filled in."""
    return catalogue(language).gettext(msgid) % members


def numbered_purpose_list(purposes: frozenset[Purpose], language: str) -> str:
    """Return the names of purposes in one line, each with its number in `STOP 1`."""
    names = [
        f"{purpose.keyword_number} {purpose.words(language).name}"
        for purpose in in_catalogue_order(purposes)
    ]
    return join_list(language, names)


def send_help(conversation: Conversation) -> None:
    """Answer what the sender's merchants may send, and how to stop it."""
    if not may_reply(conversation, REPLY_LIMITS):
        return
    url = f"{conversation.runtime.service.base_url}/my"
    for grant in conversation.own_grants:
        text = reply_text(
            grant.language,
            HELP,
            merchant=conversation.merchants[grant.merchant_id].name,
            purposes=numbered_purpose_list(grant.scope.purposes, grant.language),
            url=url,
        )
        send_reply(conversation, grant.language, text, conversation.senders[grant.merchant_id])
    if not conversation.own_grants:
        text = reply_text(conversation.language, HELP_WITHOUT_CONSENT, url=url)
        send_reply(conversation, conversation.language, text, conversation.any_sender)


def may_reply(conversation: Conversation, limits: Sequence[RateLimit], kind: str = "reply") -> bool:
    """Count one more reply to this phone from this sender; return whether it may be sent."""
    now = conversation.runtime.clock.now()
    key = reply_key(conversation, kind)
    return try_acquire(conversation.transaction, key, limits, now) == now


def reply_key(conversation: Conversation, kind: str) -> bytes:
    """Return the key of a counter for this phone and this sender."""
    inbound = conversation.inbound
    return conversation.runtime.rate_limit_key(kind, f"{inbound.source}\n{inbound.number.reveal()}")


def send_merchant_reply(
    conversation: Conversation, language: str, msgid: str, merchant_id: str
) -> None:
    """Enqueue one of the texts above that name the merchant only, from the merchant's sender."""
    text = reply_text(language, msgid, merchant=conversation.merchants[merchant_id].name)
    send_reply(conversation, language, text, conversation.senders[merchant_id])


def send_reply(conversation: Conversation, language: str, text: str, sender: Sender | None) -> None:
    """Enqueue a reply and record it; without a live `sender` it leaves from the service's own."""
    runtime = conversation.runtime
    if sender is not None and not sender.is_live_at(runtime.clock.now()):
        sender = None
    signature = sender.signature if sender else runtime.service.name_in(language)
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
