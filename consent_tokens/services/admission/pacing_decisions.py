"""Decisions of a person on the pacing of a template, or of a sender's free texts."""

from collections.abc import Callable
from typing import Final

from consent_tokens.errors import ConflictError, NotFoundError
from consent_tokens.relay.pacing import Pacing, PacingStatus, changed, let_go_on
from consent_tokens.services.admission.actors import Action, Actor, check_reason, require_right
from consent_tokens.services.admission.pacing_records import (
    PacingChange,
    announce,
    record_change,
)
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import pacings
from consent_tokens.store.database import Transaction

RELEASABLE: Final = frozenset({PacingStatus.HELD, PacingStatus.DROPPED})
DROPPABLE: Final = frozenset({PacingStatus.OPEN, PacingStatus.HELD})


def list_pacings(runtime: Runtime, merchant_id: str | None, limit: int) -> list[Pacing]:
    """Return what is not proven, of one merchant or all: first what waits for a person."""
    return runtime.database.read(
        lambda transaction: pacings.list_unproven(transaction, merchant_id, limit)
    )


def release(runtime: Runtime, actor: Actor, subject_id: str, *, reason: str) -> list[Pacing]:
    """Let what was held of a template or sender go on, with the next part; return it as it is.

    What people did until now is accepted: it does not hold it again. Raises InvalidError,
    ForbiddenError, NotFoundError, and ConflictError if nothing of it is held or dropped.
    """
    require_right(actor, Action.RELEASE)
    stated = check_reason(reason)
    return _decide(
        runtime,
        subject_id,
        lambda transaction: release_within(runtime, transaction, actor, subject_id, stated),
    )


def drop(runtime: Runtime, actor: Actor, subject_id: str, *, reason: str) -> list[Pacing]:
    """Refuse what is held of a template or sender, and what is submitted next. Raises as `release`.

    The template is held, so that it can be released or withdrawn. Free texts of the sender are
    refused until the day of UTC ends.
    """
    require_right(actor, Action.DROP)
    stated = check_reason(reason)

    def work(transaction: Transaction) -> list[PacingChange]:
        now = runtime.clock.now()
        return _change(
            runtime,
            transaction,
            actor,
            subject_id,
            stated,
            lambda pacing: (
                changed(pacing, PacingStatus.DROPPED, now) if pacing.status in DROPPABLE else pacing
            ),
        )

    return _decide(runtime, subject_id, work)


def release_within(
    runtime: Runtime, transaction: Transaction, actor: Actor, subject_id: str, reason: str | None
) -> list[PacingChange]:
    """Let what was held go on, in the caller's transaction; return it as it was and as it is."""
    now = runtime.clock.now()
    return _change(
        runtime,
        transaction,
        actor,
        subject_id,
        reason,
        lambda pacing: let_go_on(pacing, now) if pacing.status in RELEASABLE else pacing,
    )


def _decide(
    runtime: Runtime,
    subject_id: str,
    work: Callable[[Transaction], list[PacingChange]],
) -> list[Pacing]:
    def decided(transaction: Transaction) -> list[PacingChange]:
        if not pacings.of_subjects(transaction, [subject_id]):
            raise NotFoundError("nothing of that id is paced")
        changes = work(transaction)
        if not changes:
            raise ConflictError("its pacing is in no status that allows this")
        return changes

    changes = runtime.database.run(decided)
    for change in changes:
        announce(change)
    return [change.after for change in changes]


def _change(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    subject_id: str,
    reason: str | None,
    change: Callable[[Pacing], Pacing],
) -> list[PacingChange]:
    """Change the pacings of a template or sender, of all versions and days; return what changed."""
    found: list[PacingChange] = []
    for each in pacings.of_subjects(transaction, [subject_id]):
        locked = pacings.lock(transaction, each.subject_id, each.version)
        after = change(locked) if locked else None
        if locked is None or after is None or after is locked:
            continue
        pacings.save(transaction, after)
        found.append(PacingChange(locked, after))
        record_change(runtime, transaction, actor, found[-1], reason)
    return found
