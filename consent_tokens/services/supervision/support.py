"""Help a consumer: an operator sees the consents of whoever reads out a support code, no number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from consent_tokens.errors import InvalidError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.policies import RateLimit
from consent_tokens.services.admission.actors import Action, Actor, require_right
from consent_tokens.services.admission.operators import NO_PARTITION
from consent_tokens.services.consents.views import (
    ConsentDetail,
    ConsentSummary,
    find_consent,
    list_consents,
)
from consent_tokens.services.consumer_sessions import support_code_hash
from consent_tokens.services.rate_limits import acquire
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import sessions
from consent_tokens.store.database import Transaction

CODES_PER_HOUR: Final = RateLimit(20, timedelta(hours=1))  # that one operator may enter
MAX_DETAILED: Final = 20  # consents of which the refusals are shown


@dataclass(frozen=True, slots=True)
class HelpedConsumer:
    """What an operator sees of a consumer who asked for help: what `/my` shows them."""

    consents: Sequence[ConsentSummary]
    details: Sequence[ConsentDetail]  # of the newest ones: messages and refusals


def help_consumer(runtime: Runtime, actor: Actor, code: str) -> HelpedConsumer:
    """Return what `/my` shows to whoever read out this code, which works once; it is recorded.

    Raises ForbiddenError, InvalidError of `code` if it is wrong, used or expired, and
    TooManyRequestsError above CODES_PER_HOUR.
    """
    require_right(actor, Action.UPHOLD_DISPUTE)
    now = runtime.clock.now()

    key = runtime.rate_limit_key("support_codes_entered", actor.id)

    def work(transaction: Transaction) -> int | None:
        partition = sessions.use_support_code(transaction, support_code_hash(runtime, code), now)
        if partition is not None:
            runtime.record(
                transaction,
                Event(
                    partition=NO_PARTITION,
                    at=now,
                    kind=EventKind.CONSUMER_HELPED,
                    actor=actor.id,
                ),
            )
        return partition

    runtime.database.run(lambda at: acquire(at, key, [CODES_PER_HOUR], now))
    partition = runtime.database.run(work)
    if partition is None:
        raise InvalidError({"code": ["wrong"]})
    consents = list_consents(runtime, partition)
    details = [find_consent(runtime, partition, each.grant_id) for each in consents[:MAX_DETAILED]]
    return HelpedConsumer(consents, details)
