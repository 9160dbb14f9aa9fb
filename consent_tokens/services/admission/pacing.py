"""Pacing of new templates: look at how people react to a part, and let the next one go, or not.

Messages take their places when they are accepted (`submission.paces`). What is beyond a part is
held back, and let go here, in the order of acceptance. Several processes may do so: each pacing is
locked while it is looked at.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from statistics import median
from typing import Final

from msgspec.structs import replace

from consent_tokens import metrics
from consent_tokens.errors import ConsentTokensError
from consent_tokens.policies import PacingPolicy
from consent_tokens.relay.decision import Reason, is_limited
from consent_tokens.relay.message import MessageStatus
from consent_tokens.relay.pacing import (
    WITHDRAWN_WITHIN,
    Pacing,
    PacingKind,
    PacingStatus,
    changed,
    day_of,
    group_of,
    is_above_bounds,
    new_pacing,
    step,
)
from consent_tokens.relay.templates.template import Template, TemplateStatus
from consent_tokens.services.admission.pacing_records import PacingChange, announce, record_change
from consent_tokens.services.admission.template_decisions import IN_USE
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.refusals import record_refused
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import control_groups, paced_messages, pacings, templates
from consent_tokens.store.database import Transaction

CHECK_INTERVAL: Final = timedelta(seconds=10)  # between two looks at one pacing
BATCH_SIZE: Final = 500  # messages that one transaction lets go or refuses
MIN_PEOPLE: Final = 200  # of a pacing whose share of stops says what is usual
MIN_MERCHANTS: Final = 5  # whose pacings say what is usual
USUAL_PERIOD: Final = timedelta(days=2)  # in which those pacings began


# --- how it begins --------------------------------------------------------------------------------
def start_within(runtime: Runtime, transaction: Transaction, template: Template) -> None:
    """Begin the pacing of a version of a template that was approved, if it is to be paced.

    Marketing and finance are; transactional templates only where one of the control group was
    withdrawn lately, and never those that are essential. So is no text that is proven already, and
    no demonstration.
    """
    now, merchant = runtime.clock.now(), get_merchant(transaction, template.merchant_id)
    if merchant.is_demonstration or template.is_essential:
        return
    group = control_groups.members(transaction, merchant.id)
    is_bound = is_limited(template.purpose)
    if not is_bound and not pacings.was_withdrawn_since(transaction, group, now - WITHDRAWN_WITHIN):
        return
    if _is_proven_text(transaction, template):
        return
    pacing = new_pacing(
        template.id,
        template.version,
        merchant_id=merchant.id,
        kind=PacingKind.LIMITED if is_bound else PacingKind.TRANSACTIONAL,
        is_budgeted=not pacings.has_clean_record(transaction, group, now),
        now=now,
    )
    pacings.add(transaction, pacing)


def _is_proven_text(transaction: Transaction, template: Template) -> bool:
    """Whether another version of a template with the same fixed text is in use, and not paced."""
    versions = templates.versions_of(transaction, template.id)
    own = next(each for each in versions if each.template.version == template.version)
    paced = {
        each.version
        for each in pacings.of_subjects(transaction, [template.id])
        if each.status is not PacingStatus.PROVEN
    }
    return any(
        each.fingerprint == own.fingerprint
        and each.template.purpose == template.purpose
        and each.template.status in IN_USE
        and each.template.version not in {template.version, *paced}
        for each in versions
    )


# --- how it goes on -------------------------------------------------------------------------------
def pace(
    runtime: Runtime, policy: PacingPolicy, is_stopped: Callable[[], bool] = lambda: False
) -> int:
    """Look at each pacing that is due; return how many messages were let go or refused.

    One that fails leaves the others as they are: it is looked at again later. Raises the last
    error, when all were looked at.
    """
    now = runtime.clock.now()
    found = runtime.database.read(
        lambda transaction: pacings.due(transaction, now, now - CHECK_INTERVAL)
    )
    moved, failed = 0, None
    for each in found:
        if is_stopped():
            break
        try:
            moved += _pace_one(runtime, policy, each, is_stopped)
        except ConsentTokensError as error:
            failed = error
    if failed:
        raise failed
    return moved


def _pace_one(
    runtime: Runtime, policy: PacingPolicy, pacing: Pacing, is_stopped: Callable[[], bool]
) -> int:
    announce(runtime.database.run(partial(_look, runtime, policy, pacing)))
    moved = 0
    while not is_stopped() and (
        count := runtime.database.run(partial(_move, runtime, policy, pacing))
    ):
        moved += count
    return moved


def _look(
    runtime: Runtime, policy: PacingPolicy, found: Pacing, transaction: Transaction
) -> PacingChange:
    """Count a pacing's messages, and save how it stands; return it as it was and as it is.

    Nothing is done if another process has looked at it.
    """
    now = runtime.clock.now()
    pacing = pacings.lock(transaction, found.subject_id, found.version)
    if pacing is None or pacing.checked_at > now - CHECK_INTERVAL:
        return PacingChange(found, found)
    freed = paced_messages.give_back(transaction, pacing.id)
    counts = paced_messages.count(transaction, pacing.id)
    counted = replace(
        pacing,
        taken=max(0, pacing.taken - freed),
        seen=counts.seen,
        held=counts.held,
        checked_at=now,
    )
    usual = _usual_stop_rate(policy, transaction, counted, now)
    stepped = step(policy, counted, counts.left, now, usual)
    if _template_status(transaction, stepped) is TemplateStatus.WITHDRAWN:
        stepped = changed(stepped, PacingStatus.DROPPED, now)
    if stepped.status is PacingStatus.HELD:
        again = paced_messages.hold_again(transaction, pacing.id, now)
        stepped = replace(stepped, taken=stepped.taken - again, held=stepped.held + again)
    pacings.save(transaction, stepped)
    change = PacingChange(pacing, stepped)
    record_change(runtime, transaction, None, change)
    return change


def _usual_stop_rate(
    policy: PacingPolicy,
    transaction: Transaction,
    pacing: Pacing,
    now: datetime,
) -> float:
    """Return the median share of people who stop other merchants now; 0 if too few say so.

    Read only where it matters: for a pacing that is beyond the bounds without it.
    """
    if not is_above_bounds(policy, pacing.counted):
        return 0.0
    group = control_groups.members(transaction, pacing.merchant_id)
    rates: dict[str, list[float]] = defaultdict(list)
    found = pacings.stop_rates(transaction, now - USUAL_PERIOD, but=group, min_people=MIN_PEOPLE)
    for merchant_id, rate in found:
        rates[merchant_id].append(rate)
    if len(rates) < MIN_MERCHANTS:
        return 0.0
    return median(median(each) for each in rates.values())


def _template_status(transaction: Transaction, pacing: Pacing) -> TemplateStatus | None:
    """Return the status of a pacing's version of a template; None for free texts."""
    versions = templates.versions_of(transaction, pacing.subject_id)
    return next(
        (each.template.status for each in versions if each.template.version == pacing.version),
        None,
    )


def _move(runtime: Runtime, policy: PacingPolicy, found: Pacing, transaction: Transaction) -> int:
    """Let up to BATCH_SIZE held messages go, or refuse them, as it stands; return how many."""
    now = runtime.clock.now()
    pacing = pacings.lock(transaction, found.subject_id, found.version)
    if pacing is None:
        return 0
    match pacing.status:
        case PacingStatus.DROPPED:
            return _refuse(runtime, transaction, pacing, now)
        case PacingStatus.PROVEN:
            return paced_messages.release(transaction, pacing.id, now, BATCH_SIZE, is_proven=True)
        case PacingStatus.OPEN:
            return _release_part(policy, transaction, pacing, now)
        case PacingStatus.HELD:
            return 0


def _release_part(
    policy: PacingPolicy, transaction: Transaction, pacing: Pacing, now: datetime
) -> int:
    """Let messages go, as many as the part and the unproven texts of the control group allow.

    None go while their template is held for review.
    """
    wanted = min(BATCH_SIZE, pacing.free_places(policy))
    if not wanted or not pacing.held:
        return 0
    if _template_status(transaction, pacing) is TemplateStatus.HELD:
        return 0
    group_id, day = "", day_of(now)
    if pacing.is_budgeted:
        merchant = get_merchant(transaction, pacing.merchant_id)
        group_id = group_of(merchant.id, merchant.control_group)
        used = pacings.lock_unproven(transaction, group_id, day)
        wanted = min(wanted, max(0, policy.group_budget - used))
    released = paced_messages.release(transaction, pacing.id, now, wanted, is_proven=False)
    if released:
        pacings.take(transaction, pacing, released, max(pacing.active_until, now + CHECK_INTERVAL))
        if pacing.is_budgeted:
            pacings.count_unproven(transaction, group_id, day, released)
    return released


def _refuse(runtime: Runtime, transaction: Transaction, pacing: Pacing, now: datetime) -> int:
    """Refuse what has not left of a dropped template, with an event and a webhook event each."""
    is_withdrawn = _template_status(transaction, pacing) is TemplateStatus.WITHDRAWN
    reason = Reason.TEMPLATE_REJECTED if is_withdrawn else Reason.HELD_BACK
    refused = paced_messages.refuse(transaction, pacing.id, reason, now, BATCH_SIZE)
    record_refused(runtime, transaction, refused, now, reason.value)
    metrics.MESSAGES_COMPLETED.labels(MessageStatus.REFUSED.value).inc(len(refused))
    return len(refused)
