"""A reply that reports the last text of the sender: 举报, REPORT. It works for every class."""

from typing import Final

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.keywords import Intent
from consent_tokens.evidence.complaints import ComplaintReason
from consent_tokens.localization import N_
from consent_tokens.services.complaints import report_within
from consent_tokens.services.inbound import clarification
from consent_tokens.services.inbound.conversation import Conversation
from consent_tokens.services.inbound.keyword_replies import (
    REPLY_LIMITS,
    may_reply,
    reply_text,
    send_reply,
)
from consent_tokens.store import messages

REASONS: Final = {
    Intent.REPORT: ComplaintReason.ADVERT,
    Intent.REPORT_ORDER: ComplaintReason.NO_SUCH_ORDER,
}
REPORTED: Final = N_(
    "We have your report of %(merchant)s's last text. Report number: %(number)s, see %(url)s. To "
    "stop all its texts, reply STOP."
)


def report(conversation: Conversation) -> list[Grant]:
    """File a complaint about the last text of the sender, and confirm it once.

    Without such a text, or if it was reported before, the message is asked back: it may be an
    opt-out. Return the grants that this ended.
    """
    partition = conversation.partition
    found = (
        None
        if partition is None
        else messages.last_sent_of_merchants(
            conversation.transaction, partition, list(conversation.senders)
        )
    )
    if found is None or found.merchant_id is None:
        return clarification.clarify(conversation)
    reason = REASONS[conversation.interpretation.intent]
    filed = report_within(conversation.runtime, conversation.transaction, found, reason)
    if not filed.is_new:
        return clarification.clarify(conversation)
    conversation.filed.append(filed)
    if may_reply(conversation, REPLY_LIMITS):
        language = conversation.language
        text = reply_text(
            language,
            REPORTED,
            merchant=conversation.merchants[found.merchant_id].name,
            number=filed.case_number,
            url=f"{conversation.runtime.service.base_url}/reports",
        )
        send_reply(conversation, language, text, conversation.senders[found.merchant_id])
    return []
