"""`keys`: list, rotate and withdraw the keys of this installation."""

from typing import Any, Final

import click

from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.crypto.key_files import ALWAYS, KeyKind
from consent_tokens.errors import InvalidError
from consent_tokens.services.admission.actors import Action, check_reason, require_right
from consent_tokens.services.integrity import key_rotation
from consent_tokens.services.integrity.key_rotation import KeyState, KeyStatus
from consent_tokens.services.supervision.carrying_out import approve_and_carry_out
from consent_tokens.services.supervision.keys import (
    find_proposal,
    propose_withdrawal,
    rotate_key,
)

NOT_ROTATED: Final = {
    "index": "it finds every recipient by number: under another one no stop would be found again",
    "id": "it is in every public id: under another one no token would lead to its grant",
    "journal": "it is in every entry of the revocation journal: see `journal replay --accept`",
}
COSTS: Final = {
    KeyKind.SIGNING: "Tokens under it are refused as token_malformed. Up to {count} live grants "
    "were made while it signed: each needs a new consent, unless its merchant has renewed the "
    "token since (POST /v1/tokens/renew). The receipts that it signed cannot be verified any "
    "more.",
    KeyKind.WRAPPING: "{count} rows have data keys under it: what they seal is lost for good.",
    KeyKind.SESSION: "Up to {count} signed-in consumers are signed out, and forms that are open in "
    "a browser have to be opened again.",
    KeyKind.TOKEN_MAC: "{count} grants have a MAC of their token under it: until that token is "
    "used again, its signature proves it instead. If its signing key was withdrawn as well, its "
    "merchant cannot renew it any more.",
}

DELETION: Final = "Delete it? This cannot be undone."


@click.group()
def keys() -> None:
    """List, rotate and withdraw the keys of this installation."""


@keys.command("list")
@as_json
def list_keys(*, as_json: bool) -> None:
    """List the keys that rotate, and the journal key, by id. No secret is shown.

    `needed_by` is, for a wrapping key, the number of rows with a data key under it; for a signing
    key, of live grants that were made while it signed; for a session key, of consumers signed in;
    for a token_mac key, of grants with a MAC under it.
    """
    with open_context() as context:
        rows = [_row(each) for each in key_rotation.list_keys(context.runtime)]
        journal = dict.fromkeys(rows[0], "") | {
            "kind": "journal",
            "kid": context.runtime.keyring.journal.kid,
            "status": KeyStatus.IN_USE.value,
            "in_use": True,
        }
    print_rows([*rows, journal], in_json=as_json)


@keys.command()
@click.argument("kind")
@click.option("--now", "at_once", is_flag=True, help="Use the new key at once.")
@by_operator
@as_json
def rotate(kind: str, by: str | None, *, at_once: bool, as_json: bool) -> None:
    """Create a new key of a KIND: signing, wrapping, session or token_mac. Nothing is restarted.

    It is used after ten minutes (signing) or one minute, so that every process and every verifier
    of tokens has it by then. With --now, verifiers outside may not know it for five minutes.
    """
    if kind not in set(KeyKind):
        reason = NOT_ROTATED.get(kind, f"one of {', '.join(KeyKind)}")
        raise InvalidError({"kind": [f"{kind} cannot rotate: {reason}"]})
    with deciding(by) as (runtime, actor):
        state = rotate_key(runtime, actor, KeyKind(kind), at_once=at_once)
    print_one(_row(state), in_json=as_json)


@keys.command(context_settings={"ignore_unknown_options": True})  # an id may begin with a dash
@click.argument("key_id")
@click.option("--reason", help="Why, for the second person; needed by the first.")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@by_operator
@as_json
def withdraw(
    key_id: str, reason: str | None, by: str | None, *, is_confirmed: bool, as_json: bool
) -> None:
    """Delete a key that is not in use any more, by its id or the beginning of it.

    It takes two names: the first proposes it with --reason, and another runs the same command with
    --by. Says what it costs, and asks. A wrapping key that rows need is not deleted.
    """
    with deciding(by) as (runtime, actor):
        require_right(actor, Action.WITHDRAW_KEY)
        state = key_rotation.find_withdrawable(runtime, key_id)
        proposal = find_proposal(runtime, state.kid)
        is_known = state.status is KeyStatus.WITHDRAWN  # only its file is left
        is_proposing = proposal is None and not is_known
        if is_proposing:
            check_reason(reason)
        click.echo(f"{state.kind} key {state.kid}: {_cost(state)}", err=True)
        if not is_confirmed:
            question = "Propose to delete it?" if is_proposing else DELETION
            click.confirm(question, abort=True, err=True)
        status = KeyStatus.WITHDRAWN.value
        if is_known:
            key_rotation.delete_withdrawn(state)
        elif proposal is None:
            propose_withdrawal(runtime, actor, state.kid, check_reason(reason))
            status = "proposed"
            click.echo("Proposed. Another operator has to run it with --by.", err=True)
        else:
            approve_and_carry_out(runtime, actor, proposal.id)
    print_one({"kind": state.kind.value, "kid": state.kid, "status": status}, in_json=as_json)


def _cost(state: KeyState) -> str:
    return COSTS[state.kind].format(count=state.needed_by)


def _row(state: KeyState) -> dict[str, Any]:
    record = state.record
    withdrawn_at = record.withdrawn_at if record else None
    return {
        "kind": state.kind.value,
        "kid": state.kid,
        "status": state.status.value,
        "in_use": state.status is KeyStatus.IN_USE,
        "starts_at": state.starts_at.isoformat() if state.starts_at != ALWAYS else "",
        "needed_by": state.needed_by,
        "created_at": record.created_at.isoformat() if record else "",
        "created_by": (record.created_by if record else None) or "",
        "withdrawn_at": withdrawn_at.isoformat() if withdrawn_at else "",
        "withdrawn_by": (record.withdrawn_by if record else None) or "",
    }
