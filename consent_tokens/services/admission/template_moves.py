"""Put templates under another purpose: announced, then in effect; and appeals against it.

Texts in use are moved with notice, so that their merchant can name the other purpose in time. What
must not leave until then is held or withdrawn besides.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from msgspec.structs import replace as changed

from consent_tokens.consent.purposes import Purpose
from consent_tokens.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.decision import is_limited
from consent_tokens.relay.templates.check import Draft, check_template
from consent_tokens.relay.templates.moves import AppealStatus, MoveStatus
from consent_tokens.relay.templates.template import Template, TemplateStatus
from consent_tokens.services.admission.actors import Action, Actor, check_reason, require_right
from consent_tokens.services.admission.pacing import start_within
from consent_tokens.services.admission.template_decisions import IN_USE, TemplateDecision, record
from consent_tokens.services.admission.template_standings import (
    TemplateStanding,
    standings_of,
    subject_of,
)
from consent_tokens.services.admission.templates import invalid, with_event
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.webhooks import enqueue, template_event
from consent_tokens.store import link_domains, template_moves, templates
from consent_tokens.store.database import Transaction
from consent_tokens.store.template_moves import TemplateMove
from consent_tokens.store.templates import TemplateVersion

NOTICE: Final = timedelta(hours=24)  # before a text in use is moved
APPEAL_WITHIN: Final = timedelta(days=60)  # of the decision
NOT_MOVED: Final = "the template was not put under another purpose"
BATCH_SIZE: Final = 100  # templates that one call moves, at most
APPEAL_DECISIONS: Final = {
    AppealStatus.UPHELD: Action.UPHOLD_APPEAL,
    AppealStatus.DISMISSED: Action.DISMISS_APPEAL,
}


def recategorise(
    runtime: Runtime, actor: Actor, template_id: str, *, purpose: Purpose, reason: str
) -> TemplateMove:
    """Put a template under another purpose: after NOTICE if its texts are in use, else at once.

    Raises InvalidError if it may not have that purpose, ForbiddenError, NotFoundError, and
    ConflictError if it has that purpose already, or was withdrawn.
    """
    require_right(actor, Action.RECATEGORISE)
    stated = check_reason(reason)

    def work(transaction: Transaction) -> TemplateMove:
        versions = _locked(transaction, template_id)
        newest = versions[0].template
        if newest.status is TemplateStatus.WITHDRAWN:
            raise ConflictError("it was withdrawn")
        if newest.purpose == purpose:
            raise ConflictError("it has this purpose")
        _ensure_fits(transaction, newest, purpose)
        move = _new_move(runtime, transaction, actor, versions, purpose, stated)
        decision = TemplateDecision(
            EventKind.TEMPLATE_RECATEGORISED, Action.RECATEGORISE, newest.status, stated
        )
        record(runtime, transaction, actor, decision, newest)
        if move.status is MoveStatus.ANNOUNCED:
            announced = changed(newest, purpose=move.purpose)
            _announce(runtime, transaction, announced, newest.purpose, stated, move.takes_effect_at)
        else:
            _move_all(runtime, transaction, versions, purpose, stated)
        return move

    return runtime.database.run(work)


def _new_move(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    versions: Sequence[TemplateVersion],
    purpose: Purpose,
    reason: str,
) -> TemplateMove:
    """Insert a move; an earlier one that was announced is dropped."""
    now, newest = runtime.clock.now(), versions[0].template
    before = template_moves.last_of(transaction, [newest.id]).get(newest.id)
    if before and before.status is MoveStatus.ANNOUNCED:
        template_moves.save(transaction, replace(before, status=MoveStatus.DROPPED))
    is_in_use = any(each.template.status in IN_USE for each in versions)
    move = TemplateMove(
        template_id=newest.id,
        place=before.place + 1 if before else 1,
        previous_purpose=newest.purpose,
        purpose=purpose.value,
        status=MoveStatus.ANNOUNCED if is_in_use else MoveStatus.IN_EFFECT,
        decided_at=now,
        decided_by=actor.id,
        reason=reason,
        takes_effect_at=now + NOTICE if is_in_use else now,
    )
    template_moves.add(transaction, move)
    return move


def apply_due_moves(runtime: Runtime) -> int:
    """Put templates under their announced purpose whose notice is over; return how many."""
    now = runtime.clock.now()
    due = runtime.database.read(lambda at: template_moves.due_ids(at, now, BATCH_SIZE))
    for template_id in due:
        runtime.database.run(partial(_apply, runtime, template_id, now))
    return len(due)


def _apply(runtime: Runtime, template_id: str, now: datetime, transaction: Transaction) -> None:
    versions = _locked(transaction, template_id)
    move = template_moves.last_of(transaction, [template_id])[template_id]
    if move.status is not MoveStatus.ANNOUNCED or move.takes_effect_at > now:
        return
    is_gone = versions[0].template.status is TemplateStatus.WITHDRAWN
    status = MoveStatus.DROPPED if is_gone else MoveStatus.IN_EFFECT
    template_moves.save(transaction, replace(move, status=status))
    if not is_gone:
        _move_all(runtime, transaction, versions, Purpose(move.purpose), move.reason)


def appeal(
    runtime: Runtime,
    transaction: Transaction,
    merchant_id: str,
    template_id: str,
    text: str,
    *,
    actor_id: str | None = None,
) -> TemplateStanding:
    """Record what a merchant says against the last move of its template, once.

    `actor_id` is who did, if a person did. Returns the template as it is now. Raises InvalidError,
    NotFoundError, and ConflictError if there is nothing to appeal against.
    """
    stated = check_reason(text)
    versions = templates.lock(transaction, template_id)
    if not versions or versions[0].template.merchant_id != merchant_id:
        raise NotFoundError("no template of that id")
    now = runtime.clock.now()
    move = template_moves.last_of(transaction, [template_id]).get(template_id)
    if move is None:
        raise ConflictError(NOT_MOVED)
    if why := appeal_bar(move, now):
        raise ConflictError(why)
    appealed = replace(move, appeal=stated, appealed_at=now, appeal_status=AppealStatus.OPEN)
    template_moves.save(transaction, appealed)
    merchant = get_merchant(transaction, merchant_id)
    subject = subject_of(versions[0].template)
    record_event(runtime, transaction, merchant, EventKind.TEMPLATE_APPEALED, subject, actor_id)
    return standings_of(runtime, transaction, versions[:1])[0]


def appeal_bar(move: TemplateMove, now: datetime) -> str | None:
    """Return why a merchant cannot appeal against a move; None if it can."""
    if move.status not in {MoveStatus.ANNOUNCED, MoveStatus.IN_EFFECT}:
        return NOT_MOVED
    if move.appeal_status is not None:
        return "there was an appeal already"
    if now > move.decided_at + APPEAL_WITHIN:
        return f"an appeal is possible for {APPEAL_WITHIN.days} days"
    return None


def decide_appeal(
    runtime: Runtime, actor: Actor, template_id: str, decision: AppealStatus, reason: str
) -> TemplateMove:
    """Decide an appeal: upheld, the template keeps its previous purpose, or gets it back at once.

    Raises ForbiddenError for whoever decided the move, InvalidError, NotFoundError, and
    ConflictError if there is no appeal to decide.
    """
    if decision not in APPEAL_DECISIONS:
        raise InvalidError({"decision": [f"must be {' or '.join(APPEAL_DECISIONS)}"]})
    require_right(actor, APPEAL_DECISIONS[decision])
    stated = check_reason(reason)

    def work(transaction: Transaction) -> TemplateMove:
        versions = _locked(transaction, template_id)
        move = template_moves.last_of(transaction, [template_id]).get(template_id)
        if move is None or move.appeal_status is not AppealStatus.OPEN:
            raise ConflictError("there is no appeal to decide")
        if actor.id == move.decided_by:
            raise ForbiddenError("an appeal is decided by another person")
        decided = replace(move, appeal_status=decision)
        if decision is AppealStatus.UPHELD:
            decided = replace(decided, status=MoveStatus.REVERSED)
            if move.status is MoveStatus.IN_EFFECT:
                previous = Purpose(move.previous_purpose)
                versions = _move_all(runtime, transaction, versions, previous, stated)
        template_moves.save(transaction, decided)
        newest = versions[0].template
        recorded = TemplateDecision(
            EventKind.TEMPLATE_APPEAL_DECIDED, APPEAL_DECISIONS[decision], newest.status, stated
        )
        record(runtime, transaction, actor, recorded, newest)
        if move.status is not MoveStatus.IN_EFFECT or decision is AppealStatus.DISMISSED:
            _announce(runtime, transaction, newest, newest.purpose, stated)
        return decided

    return runtime.database.run(work)


def list_appeals(runtime: Runtime, limit: int) -> list[TemplateMove]:
    """Return moves with an appeal that nobody has decided, the oldest appeal first."""
    return runtime.database.read(lambda at: template_moves.with_open_appeal(at, limit))


def _locked(transaction: Transaction, template_id: str) -> list[TemplateVersion]:
    versions = templates.lock(transaction, template_id)
    if not versions:
        raise NotFoundError("no template of that id")
    return versions


def _ensure_fits(transaction: Transaction, template: Template, purpose: Purpose) -> None:
    domains = link_domains.of_merchant(transaction, template.merchant_id)
    draft = Draft(purpose=purpose, text=template.text, variables=template.variables)
    if faults := check_template(draft, domains):
        raise invalid(faults)


def _move_all(
    runtime: Runtime,
    transaction: Transaction,
    versions: Sequence[TemplateVersion],
    purpose: Purpose,
    reason: str,
) -> list[TemplateVersion]:
    """Put all versions of a template under a purpose; record and announce it."""
    before = versions[0].template
    moved = [replace(each, template=_moved(each.template, purpose)) for each in versions]
    for each in moved:
        templates.set_review(transaction, each.template)
        if each.template.status in IN_USE and not is_limited(before.purpose):
            start_within(runtime, transaction, each.template)
    newest = moved[0].template
    merchant = get_merchant(transaction, newest.merchant_id)
    kind = EventKind.TEMPLATE_PURPOSE_CHANGED
    record_event(runtime, transaction, merchant, kind, subject_of(newest))
    _announce(runtime, transaction, newest, before.purpose, reason)
    return moved


def _moved(template: Template, purpose: Purpose) -> Template:
    is_essential = template.is_essential and not purpose.is_limited
    return with_event(changed(template, purpose=purpose.value, is_essential=is_essential))


def _announce(
    runtime: Runtime,
    transaction: Transaction,
    template: Template,
    previous_purpose: str,
    reason: str,
    takes_effect_at: datetime | None = None,
) -> None:
    """Tell the merchant under which purpose a template is, or will be from a time on."""
    told = template_event(template, template.status, reason, previous_purpose, takes_effect_at)
    enqueue(runtime, transaction, [told], runtime.clock.now())
