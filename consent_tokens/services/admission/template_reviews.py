"""Decisions on templates: approve, refuse, hold, release, withdraw; `template_moves` moves them.

Each is recorded with its actor in the transaction that makes it, and announced to the merchant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from consent_tokens.errors import ConflictError, InvalidError, NotFoundError
from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.composition import is_displayable
from consent_tokens.relay.decision import is_limited
from consent_tokens.relay.templates.template import (
    MAX_TEXTS_PER_EVENT,
    Template,
    TemplateStatus,
)
from consent_tokens.services.admission.actors import (
    PEOPLE_FOR_TWO,
    Action,
    Actor,
    approvers,
    require_right,
)
from consent_tokens.services.admission.pacing import start_within
from consent_tokens.services.admission.pacing_decisions import release_within
from consent_tokens.services.admission.pacing_records import PacingChange, announce
from consent_tokens.services.admission.template_decisions import (
    TemplateDecision,
    decide,
    record,
    withdraw_twins,
)
from consent_tokens.services.admission.template_standings import subject_of
from consent_tokens.services.admission.template_values import accept_repeated_values
from consent_tokens.services.admission.templates import EVENT_TYPE, with_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import control_groups, templates
from consent_tokens.store.database import Transaction
from consent_tokens.store.templates import TemplateVersion

MAX_REASON_LENGTH: Final = 400  # characters
# of a text that may not come back: no other template with it stays in use either
BLOCKING: Final = frozenset({Action.WITHDRAW, Action.REFUSE_AS_ABUSE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a reviewer sets with an approval; None leaves it as it was submitted."""

    texts_per_event: int | None = None
    event_type: str | None = None
    is_essential: bool | None = None


UNCHANGED: Final = Terms()


def approve(
    runtime: Runtime,
    actor: Actor,
    template_id: str,
    *,
    terms: Terms = UNCHANGED,
    reason: str | None = None,
) -> TemplateVersion:
    """Approve the newest version of a template; return it as it is now.

    An essential one stays submitted until a second person has approved it. Raises InvalidError,
    ForbiddenError, NotFoundError, and ConflictError if it is not submitted, if the same person has
    approved it already, or if its text was withdrawn meanwhile.
    """
    require_right(actor, Action.APPROVE)
    _check_terms(terms)
    reason = _checked_reason(reason, is_required=False)

    def work(transaction: Transaction) -> TemplateVersion:
        newest = _newest_submitted(transaction, template_id)
        template = _with_terms(newest.template, terms)
        _ensure_not_blocked(transaction, newest)
        templates.set_review(transaction, template)
        if template.is_essential and _lacks_approval(transaction, actor, template):
            first = TemplateDecision(
                EventKind.TEMPLATE_FIRST_APPROVED, Action.APPROVE, template.status, reason
            )
            record(runtime, transaction, actor, first, template)
            return _reread(transaction, template)
        start_within(runtime, transaction, template)
        return _decide(
            runtime,
            transaction,
            actor,
            TemplateDecision(
                EventKind.TEMPLATE_APPROVED, Action.APPROVE, TemplateStatus.APPROVED, reason
            ),
            [newest],
        )

    return runtime.database.run(work)


def _check_terms(terms: Terms) -> None:
    if terms.texts_per_event is not None and not 1 <= terms.texts_per_event <= MAX_TEXTS_PER_EVENT:
        raise InvalidError({"texts_per_event": [f"must be 1 to {MAX_TEXTS_PER_EVENT}"]})
    if terms.event_type is not None and not EVENT_TYPE.fullmatch(terms.event_type):
        raise InvalidError({"event_type": [f"must be {EVENT_TYPE.pattern}"]})


def _with_terms(template: Template, terms: Terms) -> Template:
    essential = terms.is_essential
    if essential and is_limited(template.purpose):
        raise InvalidError({"essential": ["only a transactional template can be essential"]})
    changed = replace(
        template,
        texts_per_event=terms.texts_per_event or template.texts_per_event,
        event_type=terms.event_type or template.event_type,
        is_essential=template.is_essential if essential is None else essential,
    )
    return with_event(changed)


def _newest_submitted(transaction: Transaction, template_id: str) -> TemplateVersion:
    newest = _locked(transaction, template_id)[0]
    if newest.template.status is not TemplateStatus.SUBMITTED:
        raise ConflictError(f"its newest version is {newest.template.status}")
    return newest


def _locked(transaction: Transaction, template_id: str) -> list[TemplateVersion]:
    versions = templates.lock(transaction, template_id)
    if not versions:
        raise NotFoundError("no template of that id")
    return versions


def _ensure_not_blocked(transaction: Transaction, version: TemplateVersion) -> None:
    group = control_groups.members(transaction, version.template.merchant_id)
    if templates.is_blocked(transaction, version.fingerprint, group):
        raise ConflictError("a text like this was withdrawn")


def _lacks_approval(transaction: Transaction, actor: Actor, template: Template) -> bool:
    """Whether one more person has to approve. Raises ConflictError if this one has already."""
    before = approvers(transaction, subject_of(template), Action.APPROVE)
    if actor.id in before:
        raise ConflictError("an essential template is approved by two different people")
    return len(before | {actor.id}) < PEOPLE_FOR_TWO


def refuse(
    runtime: Runtime, actor: Actor, template_id: str, *, reason: str, is_abuse: bool = False
) -> TemplateVersion:
    """Refuse the newest version of a template; as abuse, so that its text may not come back.

    Raises InvalidError, ForbiddenError, NotFoundError, ConflictError if it is not submitted.
    """
    action = Action.REFUSE_AS_ABUSE if is_abuse else Action.REFUSE
    require_right(actor, action)
    stated = _checked_reason(reason, is_required=True)

    def work(transaction: Transaction) -> TemplateVersion:
        newest = _newest_submitted(transaction, template_id)
        decision = TemplateDecision(
            EventKind.TEMPLATE_REFUSED, action, TemplateStatus.REFUSED, stated
        )
        return _decide(runtime, transaction, actor, decision, [newest])

    return runtime.database.run(work)


def hold(runtime: Runtime, actor: Actor, template_id: str, *, reason: str) -> TemplateVersion:
    """Hold all approved versions of a template. Raises as `withdraw`."""
    decision = TemplateDecision(
        EventKind.TEMPLATE_HELD, Action.HOLD, TemplateStatus.HELD, _checked_reason(reason)
    )
    return _decide_all(runtime, actor, template_id, decision, {TemplateStatus.APPROVED})


def release(runtime: Runtime, actor: Actor, template_id: str, *, reason: str) -> TemplateVersion:
    """Release all held versions of a template, and what pacing holds of it. Raises as `withdraw`.

    A value that was repeated until now was looked at: it does not hold the template again, nor do
    the stops and complaints until now.
    """
    stated = _checked_reason(reason)
    decision = TemplateDecision(
        EventKind.TEMPLATE_RELEASED, Action.RELEASE, TemplateStatus.APPROVED, stated
    )
    require_right(actor, Action.RELEASE)

    def work(transaction: Transaction) -> tuple[TemplateVersion, list[PacingChange]]:
        versions = _locked(transaction, template_id)
        held = [each for each in versions if each.template.status is TemplateStatus.HELD]
        resumed = release_within(runtime, transaction, actor, template_id, stated)
        if not held and not resumed:
            raise ConflictError("no version is in a status that allows this")
        accept_repeated_values(transaction, template_id, runtime.clock.now())
        if not held:
            return versions[0], resumed
        return _decide(runtime, transaction, actor, decision, held), resumed

    released, resumed = runtime.database.run(work)
    for change in resumed:
        announce(change)
    return released


def withdraw(runtime: Runtime, actor: Actor, template_id: str, *, reason: str) -> TemplateVersion:
    """Withdraw a template for good: no version of its text may be submitted again.

    Raises InvalidError, ForbiddenError, NotFoundError, and ConflictError if no version is in a
    status that allows this.
    """
    decision = TemplateDecision(
        EventKind.TEMPLATE_WITHDRAWN,
        Action.WITHDRAW,
        TemplateStatus.WITHDRAWN,
        _checked_reason(reason),
    )
    return _decide_all(
        runtime, actor, template_id, decision, set(TemplateStatus) - {TemplateStatus.WITHDRAWN}
    )


def withdraw_within(
    runtime: Runtime, transaction: Transaction, actor: Actor, template_id: str, reason: str
) -> None:
    """Withdraw a template in the caller's transaction; nothing, if no version is left to withdraw.

    Raises NotFoundError. The caller has checked the actor's right and the reason.
    """
    versions = [
        each
        for each in _locked(transaction, template_id)
        if each.template.status is not TemplateStatus.WITHDRAWN
    ]
    if versions:
        decision = TemplateDecision(
            EventKind.TEMPLATE_WITHDRAWN, Action.WITHDRAW, TemplateStatus.WITHDRAWN, reason
        )
        _decide(runtime, transaction, actor, decision, versions)


def _decide_all(
    runtime: Runtime,
    actor: Actor,
    template_id: str,
    decision: TemplateDecision,
    allowed: set[TemplateStatus],
) -> TemplateVersion:
    """Record a decision on all versions of a template whose status allows it."""
    require_right(actor, decision.action)

    def work(transaction: Transaction) -> TemplateVersion:
        versions = [
            each for each in _locked(transaction, template_id) if each.template.status in allowed
        ]
        if not versions:
            raise ConflictError("no version is in a status that allows this")
        return _decide(runtime, transaction, actor, decision, versions)

    return runtime.database.run(work)


def _decide(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor,
    decision: TemplateDecision,
    versions: Sequence[TemplateVersion],
) -> TemplateVersion:
    """Save and record a decision; return the newest of the versions as it is now."""
    decide(runtime, transaction, actor, decision, versions)
    newest = versions[0].template
    if decision.action in BLOCKING:
        withdraw_twins(runtime, transaction, actor, newest.merchant_id)
    return _reread(transaction, newest)


def _reread(transaction: Transaction, template: Template) -> TemplateVersion:
    found = templates.versions_of(transaction, template.id)
    return next(each for each in found if each.template.version == template.version)


def _checked_reason(reason: str | None, *, is_required: bool = True) -> str | None:
    """Return a reason as it is stored. Raises InvalidError."""
    text = (reason or "").strip()
    if not text and not is_required:
        return None
    if not text or len(text) > MAX_REASON_LENGTH or not is_displayable(text) or "\n" in text:
        raise InvalidError({"reason": [f"must be one line of 1 to {MAX_REASON_LENGTH} characters"]})
    return text
