"""`operator`: the people who decide on merchants, senders and templates."""

import click

from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.services.admission import operators
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
    """Add an operator."""
    with deciding(by) as (runtime, actor):
        added = operators.add_operator(runtime, actor, name, Role(role))
    print_one({"id": added.id}, in_json=as_json)


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
