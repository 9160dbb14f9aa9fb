"""Why a consumer stopped a merchant: an optional answer of one tap, for the operator's statistics.

It is an event with a code and no text. It changes nothing else, and no merchant sees it. Whoever
says that they never agreed files a complaint instead.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from consent_tokens.consent.grant import Grant
from consent_tokens.evidence.events import EventKind, grant_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import events, merchant_consents
from consent_tokens.store.database import Transaction

ASKED_WITHIN: Final = timedelta(days=1)  # of the stop; as long as the form of a linked page is good


class StopReason(StrEnum):
    """Why a consumer stopped a merchant."""

    TOO_OFTEN = "too_often"
    NOT_INTERESTED = "not_interested"
    OTHER = "other"


def may_give_stop_reason(
    transaction: Transaction, partition: int, merchant_id: str, now: datetime
) -> bool:
    """Whether a recipient stopped a merchant lately, and has not said why."""
    stopped_at = merchant_consents.last_stop(transaction, partition, [merchant_id])
    if stopped_at is None or now >= stopped_at + ASKED_WITHIN:
        return False
    kind = EventKind.STOP_REASON_GIVEN
    return not events.has_event_since(transaction, partition, merchant_id, kind, stopped_at)


def give_stop_reason(runtime: Runtime, grant: Grant, reason: StopReason) -> None:
    """Record why a recipient stopped a grant's merchant: once for each stop, and soon after it."""
    now, partition, merchant_id = runtime.clock.now(), grant.key.partition, grant.merchant_id

    def work(transaction: Transaction) -> None:
        merchant_consents.lock(transaction, partition, merchant_id)
        if may_give_stop_reason(transaction, partition, merchant_id, now):
            kind = EventKind.STOP_REASON_GIVEN
            runtime.record(transaction, grant_event(grant, kind, now, reason.value))

    runtime.database.run(work)
