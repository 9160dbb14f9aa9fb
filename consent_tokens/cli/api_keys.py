"""`api-key`: add, list and revoke API keys."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.relay.admission.api_access import ApiKey, ApiScope
from consent_tokens.services import api_keys as services
from consent_tokens.services.admission.key_networks import add_api_key
from consent_tokens.services.own_api_keys import revoke_api_key
from consent_tokens.store import api_keys


@click.group("api-key")
def api_key() -> None:
    """Add, list and revoke API keys."""


@api_key.command("add")
@click.argument("merchant_id")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice([each.value for each in ApiScope]),
    help="What it may be used for; may be given several times. Without: all.",
)  # fmt: skip
@click.option(
    "--network", "networks", multiple=True,
    help="Where it may be used from, such as 192.0.2.0/24; may be given several times.",
)  # fmt: skip
@click.option(
    "--expires",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="When it ends, in UTC.",
)
@click.option("--rate", type=int, help="Requests a minute. Without: the limit of its merchant.")
@click.option("--test", "is_test", is_flag=True, help="For tests: nothing leaves.")
@as_json
def add_key(
    merchant_id: str,
    *,
    scopes: Sequence[str],
    networks: Sequence[str],
    expires: datetime | None,
    as_json: bool,
    **others: Any,  # noqa: ANN401 - rate and is_test
) -> None:
    """Add an API key. It is shown this once, and is not stored."""
    with open_context() as context:
        access = services.parse_access(
            scopes=scopes or None,
            networks=networks or None,
            expires_at=expires and expires.replace(tzinfo=UTC),
            now=context.runtime.clock.now(),
            **others,
        )
        key, text = add_api_key(context.runtime, merchant_id, access)
    print_one({"id": key.id, "api_key": text}, in_json=as_json)


@api_key.command("list")
@click.argument("merchant_id")
@as_json
def list_keys(merchant_id: str, *, as_json: bool) -> None:
    """List a merchant's API keys, without the secrets."""
    with open_context() as context:
        found = context.runtime.database.read(
            lambda transaction: api_keys.of_merchant(transaction, merchant_id)
        )
    print_rows([key_row(key) for key in found], in_json=as_json)


@api_key.command("revoke")
@click.argument("key_id")
@click.option("--keep-created", is_flag=True, help="Keep the keys that were created with it.")
@as_json
def revoke_key(key_id: str, *, keep_created: bool, as_json: bool) -> None:
    """Revoke an API key, and those that were created with it, at once."""
    with open_context() as context:
        revoke_api_key(context.runtime, key_id, keep_created=keep_created)
    print_one({"id": key_id, "status": "revoked"}, in_json=as_json)


def key_row(key: ApiKey) -> dict[str, Any]:
    """Return an API key as lists show it, without the secret."""
    access = key.access
    return {
        "id": key.id,
        "status": "revoked" if key.revoked_at else "active",
        "created_at": key.created_at.isoformat(),
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else "",
        "scopes": " ".join(sorted(access.scopes)),
        "networks": " ".join(map(str, access.networks or ())),
        "expires_at": access.expires_at.isoformat() if access.expires_at else "",
        "rate": access.rate or "",
        "test": access.is_test,
        "created_by": key.created_by or "",
    }
