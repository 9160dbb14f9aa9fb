"""`group`: merchants under one control."""

import click

from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.services.admission import control_groups
from consent_tokens.services.admission.control_groups import ListedProposal


@click.group()
def group() -> None:
    """List, join and reject merchants that may be under one control."""


@group.command("list")
@click.option("--merchant", "merchant_id", help="Of this merchant, also those that were decided.")
@as_json
def list_proposals(merchant_id: str | None, *, as_json: bool) -> None:
    """List pairs of merchants that share something, and wait for a decision."""
    with open_context() as context:
        found = control_groups.list_proposals(context.runtime, merchant_id)
    print_rows([proposal_row(each) for each in found], in_json=as_json)


@group.command("join")
@click.argument("merchant_id")
@click.argument("other_id")
@click.option("--reason", required=True, help="Why they are under one control.")
@by_operator
@as_json
def join_merchants(
    merchant_id: str, other_id: str, *, reason: str, by: str | None, as_json: bool
) -> None:
    """Put two merchants into one control group, with all that were joined with them before.

    Whoever said no to one of them, also earlier, is invited by none of them for the cool-down.
    """
    with deciding(by) as (runtime, actor):
        joined = control_groups.join(runtime, actor, merchant_id, other_id, reason=reason)
    print_one({"id": joined}, in_json=as_json)


@group.command("reject")
@click.argument("merchant_id")
@click.argument("other_id")
@click.option("--reason", required=True, help="Why they are not under one control.")
@by_operator
@as_json
def reject_merchants(
    merchant_id: str, other_id: str, *, reason: str, by: str | None, as_json: bool
) -> None:
    """Record that two merchants are not under one control; it is proposed no more."""
    with deciding(by) as (runtime, actor):
        control_groups.reject(runtime, actor, merchant_id, other_id, reason=reason)
    print_one({"status": "rejected"}, in_json=as_json)


def proposal_row(listed: ListedProposal) -> dict[str, str]:
    """Return a proposal as lists show it."""
    proposal = listed.proposal
    return {
        "merchant_id": proposal.merchant_id,
        "name": listed.name,
        "other_id": proposal.other_id,
        "other_name": listed.other_name,
        "signals": " ".join(proposal.signals),
        "status": proposal.status.value,
        "proposed_at": proposal.proposed_at.isoformat(),
    }
