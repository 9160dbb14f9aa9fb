"""`template approve`, `refuse`, `recategorise`, `hold` ...: decisions on templates."""

from typing import Any, Final

import click

from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.cli.purposes import find_purpose
from consent_tokens.relay.templates.moves import AppealStatus
from consent_tokens.services.admission import template_moves, template_reviews
from consent_tokens.store.template_moves import TemplateMove
from consent_tokens.store.templates import TemplateVersion

DEFAULT_LIMIT: Final = 200  # rows of one list

reason_given = click.option("--reason", required=True, help="Why; the merchant reads it.")


@click.command()
@click.argument("template_id")
@click.option("--texts-per-event", type=int, help="1 to 5; by default 1.")
@click.option("--event-type", help="The kind of event that each text is about.")
@click.option("--essential/--not-essential", default=None, help="Whether two people approve it.")
@click.option("--reason", help="A note; the merchant reads it.")
@by_operator
@as_json
def approve(  # noqa: PLR0913 - the options of one command
    *,
    template_id: str,
    texts_per_event: int | None,
    event_type: str | None,
    essential: bool | None,
    reason: str | None,
    by: str | None,
    as_json: bool,
) -> None:
    """Approve the newest version of a template. An essential one needs two people."""
    terms = template_reviews.Terms(
        texts_per_event=texts_per_event, event_type=event_type, is_essential=essential
    )
    with deciding(by) as (runtime, actor):
        decided = template_reviews.approve(runtime, actor, template_id, terms=terms, reason=reason)
    print_one(template_row(decided), in_json=as_json)


@click.command()
@click.argument("template_id")
@click.option("--abuse", is_flag=True, help="Its text may not be submitted again by the group.")
@reason_given
@by_operator
@as_json
def refuse(template_id: str, *, abuse: bool, reason: str, by: str | None, as_json: bool) -> None:
    """Refuse the newest version of a template."""
    with deciding(by) as (runtime, actor):
        decided = template_reviews.refuse(
            runtime, actor, template_id, reason=reason, is_abuse=abuse
        )
    print_one(template_row(decided), in_json=as_json)


@click.command()
@click.argument("template_id")
@click.option("--purpose", required=True)
@reason_given
@by_operator
@as_json
def recategorise(
    template_id: str, *, purpose: str, reason: str, by: str | None, as_json: bool
) -> None:
    """Put a template under another purpose: in 24 hours if its texts are in use, else at once."""
    with deciding(by) as (runtime, actor):
        move = template_moves.recategorise(
            runtime, actor, template_id, purpose=find_purpose(purpose), reason=reason
        )
    print_one(move_row(move), in_json=as_json)


@click.command("appeals")
@as_json
def list_appeals(*, as_json: bool) -> None:
    """List what merchants say against another purpose of their templates, the oldest first."""
    with open_context() as context:
        found = template_moves.list_appeals(context.runtime, DEFAULT_LIMIT)
    print_rows([move_row(each) for each in found], in_json=as_json)


@click.command("decide-appeal")
@click.argument("template_id")
@click.argument("decision", type=click.Choice(list(template_moves.APPEAL_DECISIONS)))
@reason_given
@by_operator
@as_json
def decide_appeal(
    template_id: str, decision: str, *, reason: str, by: str | None, as_json: bool
) -> None:
    """Decide an appeal; another person than who moved the template. Upheld, it is moved back."""
    with deciding(by) as (runtime, actor):
        decided = template_moves.decide_appeal(
            runtime, actor, template_id, AppealStatus(decision), reason
        )
    print_one(move_row(decided), in_json=as_json)


@click.command()
@click.argument("template_id")
@reason_given
@by_operator
@as_json
def hold(template_id: str, *, reason: str, by: str | None, as_json: bool) -> None:
    """Hold an approved template until somebody has looked at it."""
    with deciding(by) as (runtime, actor):
        decided = template_reviews.hold(runtime, actor, template_id, reason=reason)
    print_one(template_row(decided), in_json=as_json)


@click.command()
@click.argument("template_id")
@reason_given
@by_operator
@as_json
def release(template_id: str, *, reason: str, by: str | None, as_json: bool) -> None:
    """Release a held template; a value that was repeated until now does not hold it again."""
    with deciding(by) as (runtime, actor):
        decided = template_reviews.release(runtime, actor, template_id, reason=reason)
    print_one(template_row(decided), in_json=as_json)


@click.command()
@click.argument("template_id")
@reason_given
@by_operator
@as_json
def withdraw(template_id: str, *, reason: str, by: str | None, as_json: bool) -> None:
    """Withdraw a template for good; its text may not be submitted again by the control group."""
    with deciding(by) as (runtime, actor):
        decided = template_reviews.withdraw(runtime, actor, template_id, reason=reason)
    print_one(template_row(decided), in_json=as_json)


def template_row(each: TemplateVersion) -> dict[str, Any]:
    """Return a version of a template as it is printed."""
    found = each.template
    return {
        "id": found.id,
        "version": found.version,
        "merchant": found.merchant_id,
        "status": found.status.value,
        "purpose": found.purpose,
        "text": found.text,
        "marks": "; ".join(each.findings),
        "reason": each.reason or "",
    }


def move_row(move: TemplateMove) -> dict[str, str]:
    """Return a move to another purpose as it is printed."""
    return {
        "template": move.template_id,
        "previous_purpose": move.previous_purpose,
        "purpose": move.purpose,
        "status": move.status.value,
        "takes_effect_at": move.takes_effect_at.isoformat(),
        "by": move.decided_by,
        "reason": move.reason,
        "appeal": move.appeal or "",
        "appeal_status": move.appeal_status or "",
    }


COMMANDS: Final = (
    approve,
    refuse,
    recategorise,
    list_appeals,
    decide_appeal,
    hold,
    release,
    withdraw,
)
