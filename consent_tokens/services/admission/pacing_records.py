"""What a change of a pacing leaves: an event, a webhook event, a log line, a held template."""

from typing import Final, NamedTuple

import structlog

from consent_tokens import metrics
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.pacing import Pacing, PacingStatus
from consent_tokens.relay.templates.template import TemplateStatus
from consent_tokens.services import webhooks
from consent_tokens.services.admission.actors import Action, Actor, add_review
from consent_tokens.services.admission.template_decisions import TemplateDecision, decide
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import templates
from consent_tokens.store.database import Transaction

log = structlog.get_logger()

KINDS: Final = {
    PacingStatus.OPEN: EventKind.PACING_RESUMED,
    PacingStatus.HELD: EventKind.PACING_HELD,
    PacingStatus.DROPPED: EventKind.PACING_DROPPED,
    PacingStatus.PROVEN: EventKind.PACING_FINISHED,
}
# that a merchant is notified of
MEASURES: Final = frozenset(
    {
        EventKind.PACING_HELD,
        EventKind.PACING_WAITING,
        EventKind.PACING_RESUMED,
        EventKind.PACING_DROPPED,
    }
)


class PacingChange(NamedTuple):
    """A pacing as it was, and as it is."""

    before: Pacing
    after: Pacing


def kind_of(change: PacingChange) -> EventKind | None:
    """Return what changed in a pacing; None if nothing that is recorded did."""
    before, after = change
    if before.status is not after.status:
        return KINDS[after.status]
    if before.stage != after.stage:
        return EventKind.PACING_ADVANCED
    if after.waiting_since and not before.waiting_since:
        return EventKind.PACING_WAITING
    return None


def record_change(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor | None,
    change: PacingChange,
    reason: str | None = None,
) -> None:
    """Record a change of a pacing; without an actor the service decided.

    What is dropped holds its template, so that nothing more is accepted of it.
    """
    kind, after = kind_of(change), change.after
    if kind is None:
        return
    merchant = get_merchant(transaction, after.merchant_id)
    actor_id = actor.id if actor else None
    record_event(runtime, transaction, merchant, kind, f"{after.id} {figures(after)}", actor_id)
    if actor is not None:
        action = Action.RELEASE if kind is EventKind.PACING_RESUMED else Action.DROP
        add_review(runtime, transaction, actor, action, after.id, reason)
    if kind in MEASURES:
        told = webhooks.measure_event(after, kind)
        webhooks.enqueue(runtime, transaction, [told], runtime.clock.now())
    if kind is EventKind.PACING_DROPPED:
        _hold_template(runtime, transaction, actor, after, reason)


def figures(pacing: Pacing) -> str:
    """Return how people reacted, as events and the log keep it."""
    seen = pacing.seen
    return f"people={seen.people} stops={seen.stops} complaints={seen.complainants}"


def _hold_template(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor | None,
    pacing: Pacing,
    reason: str | None,
) -> None:
    """Hold the version of a template that was dropped, until somebody releases or withdraws it."""
    versions = [
        each
        for each in templates.lock(transaction, pacing.subject_id)
        if each.template.version == pacing.version
        and each.template.status is TemplateStatus.APPROVED
    ]
    if versions:
        seen = pacing.seen
        why = reason or f"{seen.stops} of {seen.people} people stopped you after a text of it"
        decision = TemplateDecision(EventKind.TEMPLATE_HELD, Action.HOLD, TemplateStatus.HELD, why)
        decide(runtime, transaction, actor, decision, versions)


def announce(change: PacingChange) -> None:
    """Count and log a change of a pacing, once the transaction that saved it has ended."""
    kind, after = kind_of(change), change.after
    if kind is None:
        return
    metrics.PACING_CHANGES.labels(kind.value.removeprefix("pacing_")).inc()
    # a person has to decide: the alarm
    write = log.critical if kind is EventKind.PACING_WAITING else log.warning
    if kind in MEASURES:
        write(
            kind.value,
            pacing=after.id,
            merchant=after.merchant_id,
            people=after.seen.people,
            stops=after.seen.stops,
            complainants=after.seen.complainants,
        )
