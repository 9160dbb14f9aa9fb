"""`template`: merchants' templates are submitted, looked at and decided on."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from consent_tokens.cli import template_decisions
from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.cli.purposes import find_purpose
from consent_tokens.cli.template_decisions import DEFAULT_LIMIT, move_row, template_row
from consent_tokens.errors import InvalidError
from consent_tokens.listing import ListFilter
from consent_tokens.relay.templates.declaration import read_declaration, with_well_known
from consent_tokens.relay.templates.fault_texts import explain
from consent_tokens.relay.templates.marks import Ruling, rulings
from consent_tokens.relay.templates.template import OnOverflow, TemplateStatus, Variable
from consent_tokens.services.admission import template_standings, templates
from consent_tokens.services.admission.template_standings import TemplateStanding
from consent_tokens.services.admission.templates import Submission
from consent_tokens.store.reviews import Review


@click.group()
def template() -> None:
    """Submit, list, show and decide on templates."""


for each in template_decisions.COMMANDS:
    template.add_command(each)


@template.command()
@click.argument("merchant_id")
@click.option("--purpose", required=True)
@click.option("--text", required=True, help="The text, with variables such as {order}.")
@click.option(
    "--variable",
    "declarations",
    multiple=True,
    metavar="NAME=TYPE[:MAX]",
    help="The type of a variable whose name does not say it.",
)
@click.option("--on-overflow", type=click.Choice([each.value for each in OnOverflow]))
@click.option("--event-type", help="The kind of event that each text is about, such as order.")
@click.option("--essential", is_flag=True, help="It needs no event, but two approvals.")
@click.option("--template", "template_id", help="The template that this is a new version of.")
@as_json
def add(  # noqa: PLR0913 - the options of one command
    *,
    merchant_id: str,
    purpose: str,
    text: str,
    declarations: tuple[str, ...],
    on_overflow: str | None,
    event_type: str | None,
    essential: bool,
    template_id: str | None,
    as_json: bool,
) -> None:
    """Submit a template of a merchant for review."""
    variables = _variables(text, declarations)
    with open_context() as context:
        submission = Submission(
            purpose=find_purpose(purpose),
            text=text,
            variables=variables,
            on_overflow=OnOverflow(on_overflow or OnOverflow.REFUSE),
            event_type=event_type,
            is_essential=essential,
            template_id=template_id,
        )
        runtime = context.runtime
        added = runtime.database.run(
            lambda transaction: templates.submit(runtime, transaction, merchant_id, submission)
        )
    found = added.version.template
    print_one({"id": found.id} if as_json else _shown(added), in_json=as_json)


def _variables(text: str, declarations: Sequence[str]) -> Mapping[str, Variable]:
    """Return the variables of a text. Raises InvalidError."""
    declared: dict[str, Variable] = {}
    for each in declarations:
        read = read_declaration(each)
        if read is None:
            raise InvalidError({"variable": [explain("declaration_malformed", each)]})
        declared[read[0]] = read[1]
    return with_well_known(text, declared)


@template.command("list")
@click.option("--merchant", "merchant_id", help="Of this merchant only.")
@click.option("--status", type=click.Choice([each.value for each in TemplateStatus]))
@click.option("--purpose")
@click.option("--limit", type=click.IntRange(1, 10_000), default=DEFAULT_LIMIT, show_default=True)
@as_json
def list_templates(
    *,
    merchant_id: str | None,
    status: str | None,
    purpose: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the newest version of each template, the oldest first."""
    wanted = ListFilter(limit=limit, status=status, purpose=purpose)
    with open_context() as context:
        found = template_standings.list_templates(context.runtime, wanted, merchant_id=merchant_id)
    print_rows([template_row(each.version) for each in found], in_json=as_json)


@template.command()
@click.argument("template_id")
@as_json
def show(template_id: str, *, as_json: bool) -> None:
    """Show a template: its preview, what was marked, rulings on texts like it, all versions."""
    with open_context() as context:
        standing = template_standings.read_template(context.runtime, None, template_id)
        versions, reviews = template_standings.read_versions(context.runtime, template_id)
    lists = {
        "rulings": [_ruling_row(each) for each in standing.rulings],
        "moves": [move_row(standing.move)] if standing.move else [],
        "versions": [template_row(each) for each in versions],
        "reviews": [_review_row(each) for rows in reviews.values() for each in rows],
    }
    members = _shown(standing)
    print_one({**members, **lists} if as_json else members, in_json=as_json)
    for name, rows in lists.items() if not as_json else ():
        click.echo(f"\n{name}:")
        print_rows(rows, in_json=False)


@template.command("rulings")
@as_json
def list_rulings(*, as_json: bool) -> None:
    """List how borderline texts are classed, and why."""
    print_rows([_ruling_row(each) for each in rulings()], in_json=as_json)


def _shown(standing: TemplateStanding) -> dict[str, Any]:
    found, preview = standing.version.template, standing.preview
    return {
        **template_row(standing.version),
        "approved_version": standing.approved_version or "",
        "variables": ", ".join(map(_declared, found.variables.items())),
        "on_overflow": found.on_overflow.value,
        "event_type": found.event_type or "",
        "texts_per_event": found.texts_per_event,
        "essential": found.is_essential,
        "preview": preview.text,
        "segments": preview.segments,
        "characters_left": preview.characters_left,
        "max_segments": preview.max_segments,
        "coding": preview.coding.value,
        "submitted_at": standing.version.submitted_at.isoformat(),
    }


def _declared(item: tuple[str, Variable]) -> str:
    name, variable = item
    more = variable.pattern or "|".join(variable.choices) or variable.max_length
    return f"{name}={variable.type}:{more}"


def _ruling_row(each: Ruling) -> dict[str, str]:
    return {
        "id": each.id,
        "class": each.purpose_class.value,
        "about": each.about,
        "about_zh": each.about_zh,
        "why": each.why,
    }


def _review_row(each: Review) -> dict[str, str]:
    return {
        "subject": each.subject_id,
        "action": each.action,
        "by": each.operator_id,
        "at": each.at.isoformat(),
        "reason": each.reason or "",
    }
