"""`operator`: the people who decide on merchants, senders and templates."""

import click

from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.services.admission import operators
from consent_tokens.services.admission.actors import Action, require_right
from consent_tokens.services.people import team
from consent_tokens.services.people.person import Console
from consent_tokens.store.operators import OperatorAccount, Role


@click.group()
def operator() -> None:
    """Add, list and disable operators."""


@operator.command("add")
@click.argument("name")
@click.option(
    "--role",
    required=True,
    type=click.Choice([each.value for each in Role]),
    help="An admin adds operators, suspends and restores; a reviewer decides; the others read.",
)
@by_operator
@as_json
def add_operator(name: str, *, role: str, by: str | None, as_json: bool) -> None:
    """Add an operator, and print the link with which they set a password for the console.

    The link works once, for three days, and is not shown again.
    """
    with deciding(by) as (runtime, actor):
        added, link = team.add_operator(runtime, actor, name, role)
    print_one({"id": added.id, "invitation": link}, in_json=as_json)


@operator.command("invite")
@click.argument("name")
@by_operator
@as_json
def invite_operator(name: str, *, by: str | None, as_json: bool) -> None:
    """Invite an operator to the console again: the password and second factors are deleted."""
    with deciding(by) as (runtime, actor):
        require_right(actor, Action.ADD_OPERATOR)
        person_id = team.find_operator_id(runtime, name)
        invited, link = team.invite_again(runtime, actor.id, Console.OPERATOR, person_id)
    print_one({"id": invited.id, "invitation": link}, in_json=as_json)


@operator.command("list")
@as_json
def list_operators(*, as_json: bool) -> None:
    """List operators, disabled ones too."""
    with open_context() as context:
        found = operators.list_operators(context.runtime)
    print_rows([_row(each) for each in found], in_json=as_json)


@operator.command("disable")
@click.argument("name")
@by_operator
@as_json
def disable_operator(name: str, *, by: str | None, as_json: bool) -> None:
    """Let an operator decide nothing more; what was decided stays."""
    with deciding(by) as (runtime, actor):
        disabled = operators.disable_operator(runtime, actor, name)
    print_one({"id": disabled.id, "status": "disabled"}, in_json=as_json)


def _row(account: OperatorAccount) -> dict[str, str]:
    return {
        "id": account.id,
        "name": account.name,
        "role": account.role.value,
        "status": "disabled" if account.disabled_at else "active",
        "added_at": account.added_at.isoformat(),
    }
