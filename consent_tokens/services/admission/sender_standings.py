"""How a merchant's senders stand: those that were admitted, and those that it applied for."""

from dataclasses import dataclass
from typing import Final

from consent_tokens.errors import NotFoundError
from consent_tokens.listing import ListFilter, Position
from consent_tokens.services.admission.sender_list import SenderStatus, status_of
from consent_tokens.services.admission.senders import SENDER_ID_PREFIX
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
    """A sender as its merchant sees it."""

    sender: Sender
    status: SenderStatus | SenderApplicationStatus
    reason: str | None = None  # of a refusal


def of_application(application: SenderApplication) -> SenderStanding:
    """Return how a sender stands that was applied for."""
    return SenderStanding(
        sender=application.sender,
        status=application.status,
        reason=application.reason,
    )


def list_standings(runtime: Runtime, merchant_id: str, wanted: ListFilter) -> list[SenderStanding]:
    """Return a page of a merchant's senders.

    Page by page of what is read whole: a merchant has dozens, from two tables.
    """
    found, after = all_standings(runtime, merchant_id), wanted.after
    if wanted.is_newest_first:
        rest = [each for each in found[::-1] if after is None or position_of(each) < after]
    else:
        rest = [each for each in found if after is None or position_of(each) > after]
    return rest[: wanted.limit]


def position_of(standing: SenderStanding) -> Position:
    """Return the place of a sender in lists."""
    return standing.sender.admitted_at, int(standing.sender.id.removeprefix(SENDER_ID_PREFIX), 16)


def all_standings(runtime: Runtime, merchant_id: str) -> list[SenderStanding]:
    """Return how all senders of a merchant stand, the oldest first."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> list[SenderStanding]:
        admitted = [
            SenderStanding(sender=each, status=status_of(each, now))
            for each in senders.of_merchant(transaction, merchant_id)
        ]
        others = [
            of_application(each)
            for each in sender_applications.of_merchant(transaction, merchant_id)
            if each.status is not SenderApplicationStatus.ADMITTED
        ]
        return sorted(admitted + others, key=position_of)

    return runtime.database.read(query)


def read_standing(runtime: Runtime, merchant_id: str, sender_id: str) -> SenderStanding:
    """Return how one of a merchant's senders stands. Raises NotFoundError, also for another's."""
    for each in all_standings(runtime, merchant_id):
        if each.sender.id == sender_id:
            return each
    raise NotFoundError("no sender of that id")
