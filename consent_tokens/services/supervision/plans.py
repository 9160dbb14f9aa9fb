"""What merchants plan to send, and what was accepted of it; and the platform's own peak seasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from consent_tokens.relay.plan import Plan, PlanStatus
from consent_tokens.relay.sandbox import is_sandbox
from consent_tokens.rules.rule import Peak
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import console_lists, merchants, plans
from consent_tokens.store.console_lists import Search
from consent_tokens.store.database import Transaction

LISTED_AFTERWARDS: Final = timedelta(days=30)  # plans that were over before are not listed
FAR: Final = timedelta(days=800)  # later than any plan


@dataclass(frozen=True, slots=True)
class ListedPlan:
    """A plan in the operator's list."""

    plan: Plan
    status: PlanStatus
    merchant_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakPlan:
    """A peak season with what merchants plan for it.

    `busiest_day` is the day (UTC) of most planned messages, if each plan were used up on that day.
    """

    peak: Peak
    first: date
    last: date
    planned: int  # messages, in all plans that begin or end in it
    accepted: int
    refused: int  # because plans were used up
    busiest_day: date
    planned_that_day: int


def list_plans(runtime: Runtime, merchant_id: str | None = None) -> list[ListedPlan]:
    """Return the plans that are not over, or not for long; of one merchant if given."""
    now, wanted = runtime.clock.now(), None if merchant_id is None else [merchant_id]

    def query(transaction: Transaction) -> list[ListedPlan]:
        found = plans.between(transaction, now - LISTED_AFTERWARDS, now + FAR, wanted)
        return _listed(transaction, _without_sandboxes(found), now)

    return runtime.database.read(query)


def find_plans(runtime: Runtime, wanted: Search) -> tuple[list[ListedPlan], int]:
    """Return a page of the plans that are not withdrawn, nor over for long; and how many match."""
    now = runtime.clock.now()

    def query(transaction: Transaction) -> tuple[list[ListedPlan], int]:
        found, total = console_lists.find_plans(transaction, wanted, now - LISTED_AFTERWARDS)
        return _listed(transaction, found, now), total

    return runtime.database.read(query)


def _without_sandboxes(found: Sequence[Plan]) -> list[Plan]:
    """Return the plans that merchants did not state with a test key."""
    return [each for each in found if not is_sandbox(each.merchant_id)]


def _listed(transaction: Transaction, found: Sequence[Plan], now: datetime) -> list[ListedPlan]:
    owners = merchants.find_many(transaction, sorted({each.merchant_id for each in found}))
    return [ListedPlan(each, each.status_at(now), owners[each.merchant_id].name) for each in found]


def peak_plans(runtime: Runtime) -> list[PeakPlan]:
    """Return the present and the next peak seasons of the rule packs, the next one first."""
    today = runtime.clock.now().date()
    peaks = [
        (days, peak)
        for pack in runtime.rules.current().packs.values()
        for peak in pack.peaks
        if (days := peak.season.next_days(today))
    ]
    peaks.sort(key=lambda each: each[0])

    def query(transaction: Transaction) -> list[PeakPlan]:
        return [
            _peak_plan(peak, first, last, _without_sandboxes(found))
            for (first, last), peak in peaks
            for found in [plans.between(transaction, _start(first), _end(last))]
        ]

    return runtime.database.read(query)


def _peak_plan(peak: Peak, first: date, last: date, found: Sequence[Plan]) -> PeakPlan:
    days = [first + timedelta(days=each) for each in range((last - first).days + 1)]
    planned = {day: _planned_on(day, found) for day in days}
    busiest = max(planned, key=lambda day: planned[day])
    return PeakPlan(
        peak=peak,
        first=first,
        last=last,
        planned=sum(each.messages for each in found),
        accepted=sum(each.accepted for each in found),
        refused=sum(each.excess for each in found),
        busiest_day=busiest,
        planned_that_day=planned[busiest],
    )


def _planned_on(day: date, found: Sequence[Plan]) -> int:
    return sum(
        each.messages
        for each in found
        if each.starts_at <= _end(day) and each.ends_at > _start(day)
    )


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _end(day: date) -> datetime:
    """Return the last second of a day."""
    return _start(day) + timedelta(days=1, seconds=-1)
