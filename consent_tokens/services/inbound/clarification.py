"""Asks back whether a message is an opt-out, and reads the answer.

A message that may be an opt-out is asked back once a day. For `ANSWER_WINDOW` a yes then revokes,
and a no goes on. A second message that may be one is not met with silence: if it leans to a stop it
revokes, else the answer says who may send what and how to stop it.
"""

from datetime import datetime, timedelta
from typing import Final

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.keywords import Intent
from consent_tokens.localization import join_list
from consent_tokens.policies import RateLimit
from consent_tokens.services.inbound import opt_out
from consent_tokens.services.inbound.conversation import Conversation
from consent_tokens.services.inbound.keyword_replies import (
    UNCLEAR,
    may_reply,
    reply_key,
    reply_text,
    send_help,
    send_reply,
)
from consent_tokens.services.rate_limits import last_hit, try_acquire
from consent_tokens.store import messages

ANSWER_WINDOW: Final = timedelta(hours=72)  # how long an answer to the question counts
RECENT: Final = timedelta(hours=72)  # a less likely opt-out is asked back if a message is no older
QUESTION: Final = "clarification"
ANSWERED_NO: Final = "clarification_no"
QUESTION_LIMITS: Final = (RateLimit(1, timedelta(days=1)), RateLimit(3, ANSWER_WINDOW))
ANSWER_LIMIT: Final = RateLimit(100, ANSWER_WINDOW)  # the last answer is what is kept


def clarify(conversation: Conversation) -> list[Grant]:
    """Ask back whether a message is an opt-out; act on a second one. Return the ended grants."""
    own = conversation.own_grants
    is_doubtful = conversation.interpretation.intent is Intent.DOUBTFUL
    if not own or (is_doubtful and not _is_recent(conversation)):
        return []
    is_open = is_question_open(conversation)
    if may_reply(conversation, QUESTION_LIMITS, QUESTION):
        _ask(conversation, own)
    elif is_open and conversation.interpretation.leans_to_stop:
        return opt_out.stop(conversation)
    else:
        send_help(conversation)
    return []


def agree(conversation: Conversation) -> list[Grant] | None:
    """Revoke, if the message says yes to the question. Return the ended grants; else None."""
    return opt_out.stop(conversation) if is_question_open(conversation) else None


def refuse(conversation: Conversation) -> None:
    """Take a no: to the question, to an open invitation, or else ask back what is meant."""
    is_open = is_question_open(conversation)
    if opt_out.decline(conversation):
        return
    if not is_open:
        clarify(conversation)
        return
    runtime, transaction = conversation.runtime, conversation.transaction
    key = reply_key(conversation, ANSWERED_NO)
    try_acquire(transaction, key, [ANSWER_LIMIT], runtime.clock.now())


def is_question_open(conversation: Conversation) -> bool:
    """Whether the phone was asked within `ANSWER_WINDOW` and has not said no since."""
    if not conversation.own_grants:
        return False
    asked, refused = (_last(conversation, kind) for kind in (QUESTION, ANSWERED_NO))
    return asked is not None and (refused is None or refused < asked)


def _last(conversation: Conversation, kind: str) -> datetime | None:
    key = reply_key(conversation, kind)
    return last_hit(conversation.transaction, key, ANSWER_WINDOW, conversation.runtime.clock.now())


def _ask(conversation: Conversation, own: list[Grant]) -> None:
    merchant_ids = list(dict.fromkeys(grant.merchant_id for grant in own))
    language = own[0].language
    names = [conversation.merchants[merchant_id].name for merchant_id in merchant_ids]
    text = reply_text(language, UNCLEAR, merchant=join_list(language, names))
    send_reply(conversation, language, text, conversation.senders[merchant_ids[0]])


def _is_recent(conversation: Conversation) -> bool:
    """Whether a merchant of this sender sent a message, or got its consent, a short time ago."""
    since = conversation.runtime.clock.now() - RECENT
    return any(
        grant.granted_at >= since or _was_sent_since(conversation, grant, since)
        for grant in conversation.own_grants
    )


def _was_sent_since(conversation: Conversation, grant: Grant, since: datetime) -> bool:
    sent = messages.last_submitted_at(conversation.transaction, grant.key)
    return sent is not None and sent >= since
