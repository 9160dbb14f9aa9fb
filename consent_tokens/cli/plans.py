"""`plan`: what merchants plan to send, against what was accepted, and the peak seasons."""

from collections.abc import Mapping
from typing import Any

import click

from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_rows
from consent_tokens.services.supervision.plans import (
    ListedPlan,
    PeakPlan,
    list_plans,
    peak_plans,
)


@click.group()
def plan() -> None:
    """Show what merchants plan to send, and what was accepted of it."""


@plan.command("list")
@click.option("--merchant", "merchant_id", help="Only of this merchant.")
@as_json
def list_all(merchant_id: str | None, *, as_json: bool) -> None:
    """List plans, those that start first at the top, with what was accepted and refused of each.

    Those that are withdrawn, or over for more than 30 days, are left out. Times are UTC.
    """
    with open_context() as context:
        found = list_plans(context.runtime, merchant_id)
    print_rows([_plan_row(each) for each in found], in_json=as_json)


@plan.command("peaks")
@as_json
def peaks(*, as_json: bool) -> None:
    """Show for each peak season of the rule packs what merchants plan, against the platform's plan.

    `planned_that_day` is how many messages would leave on the busiest day (UTC) if each plan of
    it were used up on that day; `messages_per_day` is what the platform plans to send on a day.
    """
    with open_context() as context:
        found = peak_plans(context.runtime)
    print_rows([_peak_row(each) for each in found], in_json=as_json)


def _plan_row(listed: ListedPlan) -> Mapping[str, Any]:
    plan = listed.plan
    return {
        "id": plan.id,
        "merchant": plan.merchant_id,
        "name": listed.merchant_name,
        "status": listed.status.value,
        "starts_at": plan.starts_at.isoformat(),
        "ends_at": plan.ends_at.isoformat(),
        "of": " ".join(filter(None, (plan.purpose, plan.template_id, plan.sender_id))) or "all",
        "planned": plan.messages,
        "accepted": plan.accepted,
        "refused": plan.excess,
    }


def _peak_row(found: PeakPlan) -> Mapping[str, Any]:
    return {
        "id": found.peak.id,
        "first": found.first.isoformat(),
        "last": found.last.isoformat(),
        "messages_per_day": found.peak.messages_per_day or "",
        "busiest_day": found.busiest_day.isoformat(),
        "planned_that_day": found.planned_that_day,
        "planned": found.planned,
        "accepted": found.accepted,
        "refused": found.refused,
    }
