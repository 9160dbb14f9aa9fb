"""The plans that a merchant states: what it will send, in which time, at most how much.

A change that plans more counts as stated when it is made: rules want plans some time before.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict, replace

from consent_tokens.consent.purposes import Purpose
from consent_tokens.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    TooManyOpenError,
)
from consent_tokens.evidence.events import EventKind
from consent_tokens.listing import ListFilter, Position
from consent_tokens.relay.plan import Plan, PlanStatus, plans_more
from consent_tokens.services.merchant_records import get_merchant, record_event
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import plans, senders, templates
from consent_tokens.store.database import Transaction

MAX_OPEN: Final = 100  # plans of a merchant that are neither over nor withdrawn
MAX_MESSAGES: Final = 1_000_000_000  # of a plan
MAX_PERIOD: Final = timedelta(days=31)  # of a plan
MAX_AHEAD: Final = timedelta(days=400)  # that a plan may start: the next peak season, and a bit


class PlanTerms(Struct, frozen=True, kw_only=True):
    """What a merchant states of a plan."""

    starts_at: datetime
    ends_at: datetime
    messages: int
    purpose: Purpose | None = None
    template_id: str | None = None
    sender_id: str | None = None
    reference: str | None = None


class PlanStanding(Struct, frozen=True):
    """A plan, and how it stands now."""

    plan: Plan
    status: PlanStatus


def state(
    runtime: Runtime,
    transaction: Transaction,
    merchant_id: str,
    terms: PlanTerms,
    actor_id: str | None = None,
) -> PlanStanding:
    """Store a new plan. Raises InvalidError, TooManyOpenError with MAX_OPEN plans.

    `actor_id` is the person who states it, if it is not a program.
    """
    now = runtime.clock.now()
    _check(transaction, merchant_id, terms, now)
    plans.lock_merchant(transaction, merchant_id)
    if plans.count_open(transaction, merchant_id, now) >= MAX_OPEN:
        raise TooManyOpenError(f"there are {MAX_OPEN} plans already")
    plan = Plan(
        id=plans.id_of(int.from_bytes(runtime.random.token_bytes(8))),
        merchant_id=merchant_id,
        stated_at=now,
        created_at=now,
        **asdict(terms),
    )
    plans.add(transaction, plan)
    return _saved(runtime, transaction, plan, EventKind.PLAN_STATED, actor_id)


def change(
    runtime: Runtime,
    transaction: Transaction,
    merchant_id: str,
    plan_id: str,
    terms: PlanTerms,
    actor_id: str | None = None,
) -> PlanStanding:
    """Replace the terms of a plan; what was accepted in it still counts.

    Raises NotFoundError, InvalidError, ConflictError for a plan that is over or withdrawn.
    """
    now = runtime.clock.now()
    before = _lock_open(transaction, merchant_id, plan_id, now)
    _check(transaction, merchant_id, terms, now)
    after = replace(before, **asdict(terms))
    if plans_more(before, after):
        after = replace(after, stated_at=now)
    plans.save(transaction, after)
    return _saved(runtime, transaction, after, EventKind.PLAN_CHANGED, actor_id)


def withdraw(
    runtime: Runtime,
    transaction: Transaction,
    merchant_id: str,
    plan_id: str,
    actor_id: str | None = None,
) -> PlanStanding:
    """Withdraw a plan: nothing more is accepted in it. Raises as `change`."""
    now = runtime.clock.now()
    plan = replace(_lock_open(transaction, merchant_id, plan_id, now), withdrawn_at=now)
    plans.save(transaction, plan)
    return _saved(runtime, transaction, plan, EventKind.PLAN_WITHDRAWN, actor_id)


def list_own(runtime: Runtime, merchant_id: str, wanted: ListFilter) -> list[PlanStanding]:
    """Return a page of a merchant's plans, the oldest first."""
    now = runtime.clock.now()
    found = runtime.database.read(lambda at: plans.of_merchant(at, merchant_id, wanted, now))
    return [PlanStanding(each, each.status_at(now)) for each in found]


def position_of(standing: PlanStanding) -> Position:
    """Return the place of a plan in lists."""
    return standing.plan.created_at, plans.number_of(standing.plan.id)


def get_own(runtime: Runtime, merchant_id: str, plan_id: str) -> PlanStanding:
    """Return a merchant's plan. Raises NotFoundError, also for another's."""
    found = runtime.database.read(lambda transaction: plans.find(transaction, plan_id))
    plan = _own(found, merchant_id)
    return PlanStanding(plan, plan.status_at(runtime.clock.now()))


def _lock_open(transaction: Transaction, merchant_id: str, plan_id: str, now: datetime) -> Plan:
    plans.lock_merchant(transaction, merchant_id)
    plan = _own(next(iter(plans.lock(transaction, [plan_id])), None), merchant_id)
    status = plan.status_at(now)
    if not status.is_open:
        raise ConflictError(f"the plan is {status}")
    return plan


def _own(plan: Plan | None, merchant_id: str) -> Plan:
    if plan is None or plan.merchant_id != merchant_id:
        raise NotFoundError("no plan of that id")
    return plan


def _saved(
    runtime: Runtime,
    transaction: Transaction,
    plan: Plan,
    kind: EventKind,
    actor_id: str | None,
) -> PlanStanding:
    """Record what became of a plan, and return how it stands."""
    plans.note_end(transaction, plan.merchant_id)
    merchant = get_merchant(transaction, plan.merchant_id)
    record_event(runtime, transaction, merchant, kind, plan.id, actor_id)
    return PlanStanding(plan, plan.status_at(runtime.clock.now()))


def _check(transaction: Transaction, merchant_id: str, terms: PlanTerms, now: datetime) -> None:
    """Raise InvalidError for a time that is past or too long, or another merchant's template."""
    errors = dict(_check_times(terms, now))
    template_id, sender_id = terms.template_id, terms.sender_id
    if template_id and not _is_own_template(transaction, merchant_id, template_id):
        errors["template"] = ["No template of that id."]
    if sender_id and not _is_own_sender(transaction, merchant_id, sender_id):
        errors["sender"] = ["No sender of that id."]
    if errors:
        raise InvalidError(errors)


def _check_times(terms: PlanTerms, now: datetime) -> dict[str, list[str]]:
    if terms.starts_at > now + MAX_AHEAD:
        return {"starts_at": [f"Must be within {MAX_AHEAD.days} days."]}
    if terms.ends_at <= now:
        return {"ends_at": ["Must not be in the past."]}
    if terms.ends_at <= terms.starts_at:
        return {"ends_at": ["Must be later than `starts_at`."]}
    if terms.ends_at - terms.starts_at > MAX_PERIOD:
        return {"ends_at": [f"Must be within {MAX_PERIOD.days} days of `starts_at`."]}
    return {}


def _is_own_template(transaction: Transaction, merchant_id: str, template_id: str) -> bool:
    versions = templates.versions_of(transaction, template_id)
    return any(each.template.merchant_id == merchant_id for each in versions)


def _is_own_sender(transaction: Transaction, merchant_id: str, sender_id: str) -> bool:
    found = senders.find(transaction, sender_id)
    return found is not None and found.merchant_id == merchant_id
