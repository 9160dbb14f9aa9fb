"""Act on an inbound message (MO): opt out, opt in, or help. Its text is not stored.

An inbound message only reduces what may be sent, with two exceptions that begin with the consumer:
START asks for the consent request, and Y grants it, where the operator allows that. Each is
answered by one SMS; a message that may be an opt-out is asked back once.
"""

from collections.abc import Callable, Mapping
from typing import Final

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.keywords import Intent, KeywordMatcher
from consent_tokens.gateways.base import MobileOriginated
from consent_tokens.policies import ConsentPolicy
from consent_tokens.services.inbound import opt_in, opt_out
from consent_tokens.services.inbound.conversation import Conversation, load_conversation
from consent_tokens.services.inbound.keyword_replies import ask_back, send_help
from consent_tokens.services.integrity.journal_outbox import flush_journal
from consent_tokens.services.runtime import Runtime
from consent_tokens.store.database import Transaction

REVOKING: Final[Mapping[Intent, Callable[[Conversation], list[Grant]]]] = {
    Intent.STOP: opt_out.stop,
    Intent.STOP_ALL: opt_out.stop_all,
}
OTHERS: Final[Mapping[Intent, Callable[[Conversation], None]]] = {
    Intent.NO: opt_out.decline,
    Intent.YES: opt_in.grant,
    Intent.START: opt_in.start,
    Intent.HELP: send_help,
    Intent.UNCLEAR: ask_back,
}


def handle_inbound(
    runtime: Runtime, policy: ConsentPolicy, matcher: KeywordMatcher, inbound: MobileOriginated
) -> list[Grant]:
    """Act on an inbound message; return the grants that it ended.

    A message without a keyword, or to a sender that is not ours, changes nothing.
    """
    interpretation = matcher.interpret(inbound.text)
    if interpretation.intent is Intent.OTHER:
        return []

    def work(transaction: Transaction) -> list[Grant]:
        conversation = load_conversation(runtime, policy, transaction, inbound, interpretation)
        if not conversation.senders and not conversation.is_to_service:
            return []
        if interpretation.intent in REVOKING:
            return REVOKING[interpretation.intent](conversation)
        OTHERS[interpretation.intent](conversation)
        return []

    ended = runtime.database.run(work)
    if ended:
        flush_journal(runtime)
        runtime.database.truncate_wal()
    runtime.wake_dispatcher.set()
    return ended
