"""What is over is put away: grants past their end lose their keys, and what waited is forgotten."""

from typing import Final

from consent_tokens.consent.code import CODE_LIFE
from consent_tokens.consent.grant import EndedBy
from consent_tokens.consent.request import TOKEN_WAITS
from consent_tokens.flow.end import end_in
from consent_tokens.flow.notify import KEPT
from consent_tokens.flow.once import REPLIES_LAST
from consent_tokens.flow.visit import SESSION_LASTS
from consent_tokens.store import challenges, grants, messages, replies, requests, sessions, webhooks
from consent_tokens.store.engine import Transaction
from consent_tokens.world import World

MOST_AT_ONCE: Final = 200


def sweep(world: World) -> int:
    """Put away what is over; return how many grants were ended."""
    now = world.clock.now()

    def deed(transaction: Transaction) -> int:
        over = grants.past_end(transaction, now, MOST_AT_ONCE)
        for address in over:
            end_in(world, transaction, address, EndedBy.EXPIRY)
        requests.drop_tokens(transaction, now - TOKEN_WAITS)
        challenges.drop(transaction, now - CODE_LIFE)
        challenges.drop_idle_limits(transaction, now)
        sessions.drop(transaction, now - SESSION_LASTS)
        replies.drop(transaction, now - REPLIES_LAST)
        messages.drop_texts(transaction, now - world.texts_for)
        if world.store.is_upgraded:
            webhooks.drop(transaction, now - KEPT)
        return len(over)

    ended = world.store.run(deed)
    world.store.scrub()
    return ended
