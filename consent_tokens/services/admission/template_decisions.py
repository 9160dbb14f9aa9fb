"""What a decision on templates leaves: status, event, review, webhook; and what it means for twins.

Two templates with the same fixed text, of one control group, are one text: once it was withdrawn,
or refused as abuse, no other template with it stays in use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consent_tokens.evidence.events import EventKind
from consent_tokens.relay.templates.template import Template, TemplateStatus
from consent_tokens.services.admission.actors import Act, Action, Actor, record_act
from consent_tokens.services.admission.template_standings import subject_of
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.webhooks import enqueue, template_event
from consent_tokens.store import control_groups, templates
from consent_tokens.store.database import Transaction
from consent_tokens.store.templates import TemplateVersion

IN_USE: Final = frozenset({TemplateStatus.APPROVED, TemplateStatus.HELD})

# the reason that its merchant reads: what was said of another merchant's is not its affair
OF_A_TWIN: Final = "a template with the same text was withdrawn"


@dataclass(frozen=True, slots=True)
class TemplateDecision:
    """What was decided on versions of a template, and why."""

    kind: EventKind
    action: Action
    status: TemplateStatus
    reason: str | None


def decide(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor | None,
    decision: TemplateDecision,
    versions: Sequence[TemplateVersion],
) -> None:
    """Save a decision on versions of one template, the newest first; record and announce it.

    Without an actor the service decides itself.
    """
    now = runtime.clock.now()
    templates.set_status(transaction, versions, decision.status, now, decision.reason)
    newest = versions[0].template
    record(runtime, transaction, actor, decision, newest)
    told = template_event(newest, decision.status, decision.reason, newest.purpose)
    enqueue(runtime, transaction, [told], now)


def record(
    runtime: Runtime,
    transaction: Transaction,
    actor: Actor | None,
    decision: TemplateDecision,
    template: Template,
) -> None:
    """Record who decided: an event of the merchant, and a review."""
    merchant = get_merchant(transaction, template.merchant_id)
    act = Act(
        merchant=merchant,
        kind=decision.kind,
        action=decision.action,
        subject_id=subject_of(template),
        reason=decision.reason,
    )
    record_act(runtime, transaction, actor, act)


def withdraw_twins(
    runtime: Runtime, transaction: Transaction, actor: Actor, merchant_id: str
) -> None:
    """Withdraw what is in use in a control group with a text that may not come back."""
    group = control_groups.members(transaction, merchant_id)
    decision = TemplateDecision(
        EventKind.TEMPLATE_WITHDRAWN, Action.WITHDRAW, TemplateStatus.WITHDRAWN, OF_A_TWIN
    )
    for template_id in templates.blocked_ids(transaction, group):
        # also those under review are locked: one may have been approved meanwhile
        twins = [
            each
            for each in templates.lock(transaction, template_id)
            if each.template.status in IN_USE
            and templates.is_blocked(transaction, each.fingerprint, group)
        ]
        if twins:
            decide(runtime, transaction, actor, decision, twins)
