"""Act on an inbound message (MO): opt out, opt in, or help. Its text is not stored.

An inbound message only reduces what may be sent, with two exceptions that begin with the consumer:
START asks for the consent request, and Y grants it, where the operator allows that. Each is
answered by one SMS; a message that may be an opt-out is asked back once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from consent_tokens import metrics
from consent_tokens.consent.grant import Grant
from consent_tokens.consent.keywords import Intent, Interpretation, KeywordMatcher
from consent_tokens.gateways.base import MobileOriginated
from consent_tokens.policies import ConsentPolicy
from consent_tokens.services.complaints import announce
from consent_tokens.services.inbound import clarification, opt_in, opt_out, reporting
from consent_tokens.services.inbound.conversation import Conversation, load_conversation
from consent_tokens.services.inbound.keyword_replies import send_help
from consent_tokens.services.integrity.journal_outbox import flush_journal
from consent_tokens.services.runtime import Runtime
from consent_tokens.store.database import Transaction

log = structlog.get_logger()

STOPS: Final = frozenset({Intent.STOP, Intent.STOP_ALL})

OTHERS: Final[Mapping[Intent, Callable[[Conversation], None]]] = {
    Intent.NO: clarification.refuse,
    Intent.START: opt_in.start,
    Intent.HELP: send_help,
}


def handle_inbound(
    runtime: Runtime, policy: ConsentPolicy, matcher: KeywordMatcher, inbound: MobileOriginated
) -> list[Grant]:
    """Act on an inbound message; return the grants that it ended. `finish_inbound` comes after it.

    A message without a keyword, or to a sender that is not ours, changes nothing. What belongs to
    nobody is counted and logged.
    """
    interpretation = interpret(matcher, inbound)

    def work(transaction: Transaction) -> tuple[list[Grant], Conversation]:
        conversation = load_conversation(runtime, policy, transaction, inbound, interpretation)
        return _act(conversation), conversation

    ended, conversation = runtime.database.run(work)
    for filed in conversation.filed:
        announce(filed)
    if reason := conversation.unmatched_reason:
        record_unmatched(reason, port=conversation.uncertain_port)
    return ended


def finish_inbound(runtime: Runtime, ended: Sequence[Grant]) -> None:
    """Journal what an inbound message took back, and remove the ended grants' keys from the disk.

    May be tried again by itself: the message was acted on. Raises JournalUnavailableError; until it
    succeeds nothing is sent, so nothing is confirmed.
    """
    flush_journal(runtime)
    if ended:
        runtime.database.truncate_wal()
    runtime.wake_dispatcher.set()


def interpret(matcher: KeywordMatcher, inbound: MobileOriginated) -> Interpretation:
    """Return the interpretation of a message: a stop, if that is what any reading of it says."""
    interpretation = interpret_text(matcher, inbound.text)
    if interpretation.intent in STOPS:
        return interpretation
    others = (interpret_text(matcher, text) for text in inbound.alternatives)
    return next((other for other in others if other.intent in STOPS), interpretation)


def record_unmatched(reason: str, port: str | None = None) -> None:
    """Count and log an inbound message or report that belongs to nobody, without its digits."""
    metrics.INBOUND_UNMATCHED.labels(reason).inc()
    log.warning("inbound_unmatched", reason=reason, port=port)


def interpret_text(matcher: KeywordMatcher, text: str) -> Interpretation:
    """Return the interpretation of a text; one that cannot be read is asked back, and logged."""
    try:
        return matcher.interpret(text)
    except Exception as error:  # noqa: BLE001 - whatever the fault is, a possible no is not lost
        log.error("reply_not_read", error=type(error).__name__, characters=len(text))  # noqa: TRY400 - a traceback may show the text
        return Interpretation(Intent.UNCLEAR, leans_to_stop=True)


def _agree(conversation: Conversation) -> list[Grant]:
    """Take a yes: to the question whether to stop, or else to the newest open invitation."""
    ended = clarification.agree(conversation)
    if ended is None:
        opt_in.grant(conversation)
    return ended or []


MAY_REVOKE: Final[Mapping[Intent, Callable[[Conversation], list[Grant]]]] = {
    Intent.STOP: opt_out.stop,
    Intent.STOP_ALL: opt_out.stop_all,
    Intent.UNCLEAR: clarification.clarify,
    Intent.DOUBTFUL: clarification.clarify,
    Intent.YES: _agree,
    Intent.REPORT: reporting.report,
    Intent.REPORT_ORDER: reporting.report,
}


def _act(conversation: Conversation) -> list[Grant]:
    intent = conversation.interpretation.intent
    if intent is Intent.OTHER or not (conversation.senders or conversation.is_to_service):
        return []
    if intent in OTHERS:
        OTHERS[intent](conversation)
        return []
    return MAY_REVOKE[intent](conversation)
