"""What is over is put away: grants past their end lose their keys, and what waited is forgotten."""

from datetime import datetime
from typing import Final

from consent_tokens.app_context import World
from consent_tokens.consent.grant import EndedBy
from consent_tokens.consent.one_time_code import CODE_LIFE
from consent_tokens.consent.request import TOKEN_WAITS
from consent_tokens.services.consents.amendments import end_pauses
from consent_tokens.services.consents.revocation import end_in
from consent_tokens.services.consumer_sessions import SESSION_LASTS
from consent_tokens.services.idempotency import REPLIES_LAST
from consent_tokens.services.webhooks import KEPT
from consent_tokens.store import (
    challenges,
    complaints,
    fingerprints,
    grants,
    invitations,
    messages,
    recipients,
    requests,
    sessions,
    webhooks,
)
from consent_tokens.store import idempotency as replies
from consent_tokens.store import preferences as wishes
from consent_tokens.store.database import Transaction

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
        if world.store.has_journal:
            webhooks.drop(transaction, now - KEPT)
        if world.store.has_wishes:
            _put_away(world, transaction, now)
        return len(over)

    ended = world.store.run(deed)
    world.store.scrub()
    return ended


def _put_away(world: World, transaction: Transaction, now: datetime) -> None:
    """End pauses whose day has come, and forget what need not be remembered any more."""
    end_pauses(world, transaction, now)
    for home in {*invitations.drop(transaction, now), *wishes.drop_past_calm(transaction, now)}:
        recipients.forget_if_idle(transaction, home, has_wishes=True)
    fingerprints.drop(transaction, now - world.records_for)
    complaints.drop(transaction, now - world.records_for)
