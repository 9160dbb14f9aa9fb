"""How a merchant's senders stand: those that were admitted, and those that it applied for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent_tokens.errors import NotFoundError
from consent_tokens.services.admission.sender_list import SenderStatus, status_of
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import sender_applications, senders
from consent_tokens.store.database import Transaction
from consent_tokens.store.sender_applications import (
    SenderApplication,
    SenderApplicationStatus,
)
from consent_tokens.store.senders import Sender

STATUSES: Final = sorted({*map(str, SenderStatus), *map(str, SenderApplicationStatus)})


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderStanding:
    """A sender as its merchant sees it; `since` is when it was admitted or applied for."""

    sender: Sender | SenderApplication
    status: SenderStatus | SenderApplicationStatus
    since: datetime
    reason: str | None = None  # of a refusal


def of_application(application: SenderApplication) -> SenderStanding:
    """Return how a sender stands that was applied for."""
    return SenderStanding(
        sender=application,
        status=application.status,
        since=application.submitted_at,
        reason=application.reason,
    )


def list_standings(runtime: Runtime, merchant_id: str) -> list[SenderStanding]:
    """Return how a merchant's senders stand, the oldest first."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> list[SenderStanding]:
        admitted = [
            SenderStanding(sender=each, status=status_of(each, now), since=each.admitted_at)
            for each in senders.of_merchant(transaction, merchant_id)
        ]
        others = [
            of_application(each)
            for each in sender_applications.of_merchant(transaction, merchant_id)
            if each.status is not SenderApplicationStatus.ADMITTED
        ]
        return sorted(admitted + others, key=lambda each: each.since)

    return runtime.database.read(query)


def read_standing(runtime: Runtime, merchant_id: str, sender_id: str) -> SenderStanding:
    """Return how one of a merchant's senders stands. Raises NotFoundError, also for another's."""
    for each in list_standings(runtime, merchant_id):
        if each.sender.id == sender_id:
            return each
    raise NotFoundError("no sender of that id")
