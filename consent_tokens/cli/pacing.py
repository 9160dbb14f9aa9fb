"""`pacing`: new templates whose texts leave in parts, and what an operator decides about them."""

from typing import Any

import click

from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_rows
from consent_tokens.cli.template_decisions import DEFAULT_LIMIT, reason_given
from consent_tokens.relay.pacing import Pacing
from consent_tokens.services.admission import pacing_decisions


@click.group()
def pacing() -> None:
    """List and decide on new templates and free texts that leave in parts."""


@pacing.command("list")
@click.option("--merchant", "merchant_id", help="Of this merchant only.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=DEFAULT_LIMIT, show_default=True)
@as_json
def list_pacings(*, merchant_id: str | None, limit: int, as_json: bool) -> None:
    """List what is not proven: first what waits for a decision, then what else is held."""
    with open_context() as context:
        found = pacing_decisions.list_pacings(context.runtime, merchant_id, limit)
    print_rows([_row(each) for each in found], in_json=as_json)


@pacing.command()
@click.argument("subject_id", metavar="TEMPLATE_OR_SENDER_ID")
@reason_given
@by_operator
@as_json
def release(subject_id: str, *, reason: str, by: str | None, as_json: bool) -> None:
    """Let go on what is held or was dropped, with the next part; what came until now is accepted.

    A template that was dropped is released with `template release`.
    """
    with deciding(by) as (runtime, actor):
        decided = pacing_decisions.release(runtime, actor, subject_id, reason=reason)
    print_rows([_row(each) for each in decided], in_json=as_json)


@pacing.command()
@click.argument("subject_id", metavar="TEMPLATE_OR_SENDER_ID")
@reason_given
@by_operator
@as_json
def drop(subject_id: str, *, reason: str, by: str | None, as_json: bool) -> None:
    """Refuse what is held back, and hold the template; of a sender, its free texts of today."""
    with deciding(by) as (runtime, actor):
        decided = pacing_decisions.drop(runtime, actor, subject_id, reason=reason)
    print_rows([_row(each) for each in decided], in_json=as_json)


def _row(each: Pacing) -> dict[str, Any]:
    return {
        "id": each.subject_id,
        "version": each.version,
        "merchant": each.merchant_id,
        "status": each.status.value,
        "stage": each.stage + 1,
        "let_go": each.taken,
        "held": each.held,
        "people": each.seen.people,
        "stops": each.seen.stops,
        "complainants": each.seen.complainants,
        "waiting_since": each.waiting_since.isoformat() if each.waiting_since else "",
    }
