"""Complaints that a transactional text was an advert: when its template is reviewed, and after.

The records cannot say what such a text was about, so its class is decided by a person, once for a
template. Nothing is withheld until then: complaints can be filed to harm a rival.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from consent_tokens import metrics
from consent_tokens.errors import ConflictError, InvalidError
from consent_tokens.evidence.as_marketing import Findings
from consent_tokens.evidence.class_disputes import COUNTED_PERIOD, REVIEW_WEIGHT, weight_of
from consent_tokens.evidence.complaints import (
    SENT_AS_AGREED,
    Complaint,
    ComplaintReason,
    ComplaintStatus,
    Verdict,
    is_class_disputed,
)
from consent_tokens.evidence.events import EventKind, complaint_event
from consent_tokens.relay.message import Message
from consent_tokens.row_key import RowKey
from consent_tokens.services.admission.actors import (
    Act,
    Action,
    Actor,
    check_reason,
    record_act,
    require_right,
)
from consent_tokens.services.admission.template_reviews import withdraw_within
from consent_tokens.services.admission.template_standings import subject_of
from consent_tokens.services.as_marketing import find_quiet, judge
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import complaints, grants, merchants, messages, templates
from consent_tokens.store.database import Transaction

log = structlog.get_logger()

DECISIONS: Final = {
    ComplaintStatus.UPHELD: (Action.UPHOLD_DISPUTE, Verdict.WRONG_CLASS),
    ComplaintStatus.NOT_UPHELD: (Action.DISMISS_DISPUTE, Verdict.RIGHT_CLASS),
}


@dataclass(frozen=True, slots=True)
class ClassDecision:
    """What an actor decided about texts that were reported as adverts, and why."""

    actor: Actor
    status: ComplaintStatus  # UPHELD or NOT_UPHELD
    reason: str

    @property
    def action(self) -> Action:
        """Return the action, as it stands in reviews."""
        return DECISIONS[self.status][0]

    @property
    def verdict(self) -> Verdict:
        """Return the verdict that takes the place of CLASS_DISPUTED."""
        return DECISIONS[self.status][1]


def class_decision(actor: Actor, status: ComplaintStatus, reason: str | None) -> ClassDecision:
    """Return a decision after its checks. Raises ForbiddenError, InvalidError."""
    if status not in DECISIONS:
        raise InvalidError({"status": [f"must be {' or '.join(DECISIONS)}"]})
    decision = ClassDecision(actor, status, check_reason(reason))
    require_right(actor, decision.action)
    return decision


# --- filing ---------------------------------------------------------------------------------------
def lock_disputed_template(
    transaction: Transaction, message: Message, reason: ComplaintReason
) -> str | None:
    """Return the id of the template that a complaint puts in question, locked; None if it does not.

    Complaints about one template are counted one after the other.
    """
    if message.template_id is None or message.status not in messages.ARRIVED_STATUSES:
        return None
    if not is_class_disputed(message, reason):
        return None
    templates.lock(transaction, message.template_id)
    return message.template_id


def verdict_on_class(
    transaction: Transaction, verdict: Verdict, message: Message, reason: ComplaintReason
) -> Verdict:
    """Return the verdict on a message, its class first: nothing else is judged before that."""
    if verdict not in SENT_AS_AGREED | {Verdict.OUTSIDE_SCOPE}:
        return verdict
    if not is_class_disputed(message, reason):
        return verdict
    if message.template_id and complaints.is_decided_advert(transaction, message.template_id):
        return Verdict.WRONG_CLASS
    return Verdict.CLASS_DISPUTED


def initial_status(
    transaction: Transaction, verdict: Verdict, template_id: str | None
) -> ComplaintStatus:
    """Return the status of a new complaint: decided or in review, if its template is."""
    if verdict is Verdict.WRONG_CLASS:
        return ComplaintStatus.UPHELD
    if template_id and complaints.is_in_review(transaction, template_id):
        return ComplaintStatus.IN_REVIEW
    return ComplaintStatus.RECEIVED


def after_filing(runtime: Runtime, transaction: Transaction, complaint: Complaint) -> str | None:
    """Count the text of a new complaint, or start a review; return the id of its template then."""
    if complaint.verdict is Verdict.WRONG_CLASS:
        _count_as_marketing(transaction, [complaint])
    if complaint.template_id is None or complaint.merchant_id is None:
        return None
    if complaint.status is not ComplaintStatus.RECEIVED:
        return None
    if complaint.verdict is not Verdict.CLASS_DISPUTED:
        return None
    since = complaint.filed_at - COUNTED_PERIOD
    found = complaints.disputes_of_merchant(transaction, complaint.merchant_id, since)
    if weight_of(found, complaint.template_id) < REVIEW_WEIGHT:
        return None
    complaints.start_review(transaction, complaint.template_id, complaint.filed_at)
    _record_review(runtime, transaction, complaint.merchant_id, complaint.template_id)
    return complaint.template_id


def _record_review(
    runtime: Runtime, transaction: Transaction, merchant_id: str, template_id: str
) -> None:
    merchant = merchants.find(transaction, merchant_id)
    versions = templates.versions_of(transaction, template_id)
    if merchant and versions:
        record_event(
            runtime,
            transaction,
            merchant,
            EventKind.TEMPLATE_DISPUTED,
            subject_of(versions[0].template),
        )


def announce_review(template_id: str) -> None:
    """Count and log that a review was started, once the transaction that did has ended."""
    metrics.TEMPLATES_DISPUTED.inc()
    log.critical("template_disputed", template=template_id)


# --- deciding -------------------------------------------------------------------------------------
def decide_class(
    runtime: Runtime, transaction: Transaction, decision: ClassDecision, complaint: Complaint
) -> None:
    """Decide whether a text was an advert: of all undecided complaints about its template.

    Upheld, the template is withdrawn, and each of these texts counts towards the recipient's caps
    on marketing, and is judged as marketing. Raises ConflictError if it was decided meanwhile,
    NotFoundError.
    """
    decided = _undecided(transaction, complaint)
    if complaint.key not in {each.key for each in decided}:
        raise ConflictError("this complaint was decided")
    if decision.status is ComplaintStatus.UPHELD:
        _count_as_marketing(transaction, decided)
        decided = [_judged(transaction, each) for each in decided]
        if complaint.template_id:
            withdraw_within(
                runtime, transaction, decision.actor, complaint.template_id, decision.reason
            )
    _record_decision(runtime, transaction, decision, complaint)
    now = runtime.clock.now()
    for each in decided:
        changed = replace(each, status=decision.status, verdict=decision.verdict, changed_at=now)
        complaints.decide_class(transaction, changed)
        event = complaint_event(
            changed,
            EventKind.COMPLAINT_DECIDED,
            now,
            decision.status.value,
            actor=decision.actor.id,
        )
        runtime.record(transaction, event)


def findings_when_filed(
    transaction: Transaction, verdict: Verdict, message: Message
) -> Findings | None:
    """Return what is found of a text as marketing when a complaint about it is filed.

    Of one whose class is still to be decided, that is what will not be known later.
    """
    if verdict not in {Verdict.CLASS_DISPUTED, Verdict.WRONG_CLASS}:
        return None
    quiet = find_quiet(transaction, message)
    return quiet if verdict is Verdict.CLASS_DISPUTED else judge(transaction, message, quiet)


def _judged(transaction: Transaction, complaint: Complaint) -> Complaint:
    """Return a complaint with what its text is as marketing."""
    message_id = complaint.message_id
    key = RowKey(complaint.key.partition, message_id) if message_id else None
    message = messages.find(transaction, key) if key else None
    if message is None:
        return replace(complaint, as_marketing=None)
    quiet = complaint.as_marketing
    if quiet is None:  # filed before this was recorded
        quiet = find_quiet(transaction, message)
    return replace(complaint, as_marketing=judge(transaction, message, quiet))


def _undecided(transaction: Transaction, complaint: Complaint) -> Sequence[Complaint]:
    if complaint.template_id is None:
        found = complaints.find(transaction, complaint.key)
        return [found] if found and found.is_open else []
    templates.lock(transaction, complaint.template_id)
    return complaints.open_disputes(transaction, complaint.template_id)


def _count_as_marketing(transaction: Transaction, found: Sequence[Complaint]) -> None:
    partitions = [(each.key.partition, each.grant_id, each.message_id) for each in found]
    grants.lock(
        transaction, [RowKey(partition, grant) for partition, grant, _ in partitions if grant]
    )
    messages.count_as_marketing(
        transaction, [RowKey(partition, message) for partition, _, message in partitions if message]
    )


def _record_decision(
    runtime: Runtime, transaction: Transaction, decision: ClassDecision, complaint: Complaint
) -> None:
    merchant = get_merchant(transaction, complaint.merchant_id or "")
    subject = runtime.ids.complaint.encode(complaint.key)
    if complaint.template_id:
        versions = templates.versions_of(transaction, complaint.template_id)
        subject = subject_of(versions[0].template) if versions else complaint.template_id
    act = Act(
        merchant=merchant,
        kind=EventKind.TEMPLATE_CLASS_DECIDED,
        action=decision.action,
        subject_id=subject,
        reason=decision.reason,
    )
    record_act(runtime, transaction, decision.actor, act)
