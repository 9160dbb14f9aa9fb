"""Webhook events that could not be delivered: list them, and deliver them again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from consent_tokens.errors import NotFoundError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.listing import Position
from consent_tokens.row_key import RowKey
from consent_tokens.services.admission.actors import Action, Actor, require_right
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.webhooks import WebhookEventType
from consent_tokens.store import webhook_failures
from consent_tokens.store.database import Transaction
from consent_tokens.store.webhook_failures import FailingEvent, FailureSearch
from consent_tokens.store.webhooks import WebhookEventStatus

__all__ = ["FailingEvent", "FailureSearch", "WebhookEventStatus", "WebhookEventType"]

PAGE_SIZE: Final = 50
REPLAY_BATCH: Final = 500  # events requeued in one transaction
MAX_REPLAYED: Final = 10_000  # by one act in the console: its request has to end


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingPage:
    """A page of failing events, the newest first, each with its public id."""

    events: Sequence[tuple[str, FailingEvent]]
    next: str  # for `before`: the public id that the page ends with; empty: there are no more


def list_failing(
    runtime: Runtime, wanted: FailureSearch, *, before: str = "", limit: int = PAGE_SIZE
) -> FailingPage:
    """Return the events whose last attempt failed, behind the one of the public id `before`."""

    def query(transaction: Transaction) -> list[FailingEvent]:
        return webhook_failures.find_failing(
            transaction,
            wanted,
            before=_position(runtime, transaction, before),
            limit=limit + 1,
        )

    found = runtime.database.read(query)
    events = [(runtime.ids.webhook_event.encode(each.key), each) for each in found[:limit]]
    return FailingPage(events=events, next=events[-1][0] if len(found) > limit else "")


def replay(runtime: Runtime, actor: Actor, event_ids: Sequence[str]) -> int:
    """Deliver events again that failed for good; return how many. Others are left as they are.

    Raises ForbiddenError, and NotFoundError for an id of no event.
    """
    require_right(actor, Action.REPLAY)
    keys = [runtime.ids.webhook_event.decode(each) for each in event_ids]
    known = [key for key in keys if key is not None]
    if len(known) < len(keys):
        raise NotFoundError("no event of that id")
    return _requeue(runtime, actor, known)


def replay_all(
    runtime: Runtime, actor: Actor, wanted: FailureSearch, *, limit: int | None = MAX_REPLAYED
) -> int:
    """Deliver again all that failed for good, of a merchant or type if named; return how many.

    At most `limit` of them, the newest first; None: all. Raises ForbiddenError.
    """
    require_right(actor, Action.REPLAY)
    failed = replace(wanted, status=WebhookEventStatus.FAILED)

    def newest(size: int, transaction: Transaction) -> list[RowKey]:
        found = webhook_failures.find_failing(transaction, failed, before=None, limit=size)
        return [each.key for each in found]

    count = 0
    while limit is None or count < limit:
        size = REPLAY_BATCH if limit is None else min(REPLAY_BATCH, limit - count)
        found = runtime.database.read(partial(newest, size))
        if not found:
            break
        count += _requeue(runtime, actor, found)
    return count


def _requeue(runtime: Runtime, actor: Actor, keys: Sequence[RowKey]) -> int:
    """Requeue events, and record an event for each webhook that they are delivered to."""
    now = runtime.clock.now()

    def work(transaction: Transaction) -> int:
        requeued = webhook_failures.requeue(transaction, keys, now) if keys else []
        runtime.record(
            transaction,
            *(
                Event(
                    partition=each.partition,
                    at=now,
                    kind=EventKind.WEBHOOK_REPLAYED,
                    merchant_id=each.merchant_id,
                    reason=each.webhook_id,
                    actor=actor.id,
                )
                for each in sorted(set(requeued))
            ),
        )
        return len(requeued)

    return runtime.database.run(work)


def _position(runtime: Runtime, transaction: Transaction, public_id: str) -> Position | None:
    key = runtime.ids.webhook_event.decode(public_id)
    return webhook_failures.find_position(transaction, key) if key else None
