"""Pause and resume what dispatchers send: everything, a merchant, a sender; drain a dispatcher.

Paused messages wait, are accepted as before, and expire with their validity. What was handed to the
gateway before is finished. Inbound messages and delivery reports are handled as ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from consent_tokens.errors import ConflictError, NotFoundError
from consent_tokens.evidence.events import Event, EventKind
from consent_tokens.services.admission.actors import (
    Action,
    Actor,
    add_review,
    check_reason,
    require_right,
)
from consent_tokens.services.admission.operators import NO_PARTITION
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import dispatch_pauses, merchants, senders, workers
from consent_tokens.store.database import Transaction
from consent_tokens.store.dispatch_pauses import ALL, Pause, PausedKind
from consent_tokens.store.merchants import Merchant
from consent_tokens.store.workers import WorkerKind

__all__ = ["ALL", "PausedKind"]

MAX_PAUSES: Final = 100  # in force: each round reads them
DISPATCH: Final = "dispatch"  # the subject of the review of a pause of everything


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseView:
    """A pause in force, with what it is called: a merchant's name, a sender's port."""

    pause: Pause
    name: str


def pause(runtime: Runtime, actor: Actor, kind: PausedKind, subject_id: str, reason: str) -> None:
    """Pause everything, a merchant, a sender, or (drain) a dispatcher.

    Dispatchers lease nothing of it from their next round on. Raises ForbiddenError, InvalidError
    without a reason, NotFoundError, and ConflictError if it is paused, or too much is.
    """
    require_right(actor, Action.PAUSE)
    reason = check_reason(reason)

    def work(transaction: Transaction) -> None:
        merchant = _merchant_of(transaction, kind, subject_id)
        if len(dispatch_pauses.list_all(transaction)) >= MAX_PAUSES:
            raise ConflictError("too much is paused: resume something first")
        made = Pause(
            kind=kind,
            subject_id=subject_id,
            merchant_id=merchant.id if merchant else None,
            reason=reason,
            paused_by=actor.id,
            paused_at=runtime.clock.now(),
        )
        if not dispatch_pauses.add(transaction, made):
            raise ConflictError("it is paused already")
        _record(runtime, transaction, actor, Action.PAUSE, made, merchant)

    runtime.database.run(work)


def resume(runtime: Runtime, actor: Actor, kind: PausedKind, subject_id: str) -> None:
    """End a pause. Raises ForbiddenError, and ConflictError if it is not paused."""
    require_right(actor, Action.RESUME)

    def work(transaction: Transaction) -> None:
        ended = dispatch_pauses.end(transaction, kind, subject_id)
        if ended is None:
            raise ConflictError("it is not paused")
        merchant = merchants.find(transaction, ended.merchant_id) if ended.merchant_id else None
        _record(runtime, transaction, actor, Action.RESUME, ended, merchant)

    runtime.database.run(work)
    runtime.wake_dispatcher.set()


def list_pauses(runtime: Runtime) -> list[PauseView]:
    """Return the pauses in force, the oldest first."""

    def query(transaction: Transaction) -> list[PauseView]:
        found = dispatch_pauses.list_all(transaction)
        names = _names(transaction, found)
        return [PauseView(pause=each, name=names.get(each.subject_id, "")) for each in found]

    return runtime.database.read(query)


def _names(transaction: Transaction, found: list[Pause]) -> Mapping[str, str]:
    merchant_ids = [each.subject_id for each in found if each.kind is PausedKind.MERCHANT]
    sender_ids = [each.subject_id for each in found if each.kind is PausedKind.SENDER]
    named = {key: each.name for key, each in merchants.find_many(transaction, merchant_ids).items()}
    ports = {key: each.source for key, each in senders.find_many(transaction, sender_ids).items()}
    return named | ports


def _merchant_of(transaction: Transaction, kind: PausedKind, subject_id: str) -> Merchant | None:
    """Return the merchant that a pause is about, if any. Raises NotFoundError without subject."""
    found: object = None
    match kind:
        case PausedKind.ALL:
            found = subject_id == ALL
        case PausedKind.WORKER:
            worker = workers.find(transaction, subject_id)
            found = worker is not None and worker.kind is WorkerKind.DISPATCHER
        case PausedKind.SENDER:
            sender = senders.find(transaction, subject_id)
            found = merchants.find(transaction, sender.merchant_id) if sender else None
        case PausedKind.MERCHANT:
            found = merchants.find(transaction, subject_id)
    if not found:
        raise NotFoundError(f"no such {kind}")
    return found if isinstance(found, Merchant) else None


def _record(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    action: Action,
    about: Pause,
    merchant: Merchant | None,
) -> None:
    is_pause = action is Action.PAUSE
    event = Event(
        partition=merchant.partition if merchant else NO_PARTITION,
        at=runtime.clock.now(),
        kind=EventKind.DISPATCH_PAUSED if is_pause else EventKind.DISPATCH_RESUMED,
        merchant_id=merchant.id if merchant else None,
        reason=about.subject_id,
        actor=actor.id,
    )
    runtime.record(transaction, event)
    subject_id = DISPATCH if about.kind is PausedKind.ALL else about.subject_id
    reason = about.reason if is_pause else None
    add_review(runtime, transaction, actor, action, subject_id, reason)
