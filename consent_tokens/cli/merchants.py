"""`merchant`, `api-key` and `sender`: the operator admits who may write, and from where."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from consent_tokens.app_context import AppContext
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.services import merchants as admit
from consent_tokens.store import merchants
from consent_tokens.store.merchants import Merchant, MerchantStatus
from consent_tokens.store.schema import upgrade


@contextmanager
def open_context() -> Iterator[AppContext]:
    """Open the world for one command, on a database of the newest version."""
    world = AppContext.from_environment()
    try:
        upgrade(world.database)
        yield world
    finally:
        world.database.close()


@click.group()
def merchant() -> None:
    """Admit merchants, list, suspend and activate them."""


@merchant.command("add")
@click.argument("name")
@as_json
def add_merchant(name: str, *, as_json: bool) -> None:
    """Admit a merchant. Its API key is shown once, here, and kept nowhere."""
    with open_context() as world:
        admitted = admit.add_merchant(world, name)
    print_one({"id": admitted.merchant.id, "api_key": admitted.api_key}, in_json=as_json)


@merchant.command("list")
@as_json
def list_merchants(*, as_json: bool) -> None:
    """List all merchants."""
    with open_context() as world:
        found = world.database.read(merchants.list_all)
    print_rows([_row(each) for each in found], in_json=as_json)


@merchant.command()
@click.argument("merchant_id")
@click.argument("weight", type=int)
@as_json
def share(merchant_id: str, weight: int, *, as_json: bool) -> None:
    """Set a merchant's share of the way out when many want to send: 1 unless set, up to 100."""
    with open_context() as world:
        admit.set_weight(world, merchant_id, weight)
    print_one({"id": merchant_id, "weight": weight}, in_json=as_json)


@merchant.command()
@click.argument("merchant_id")
@as_json
def suspend(merchant_id: str, *, as_json: bool) -> None:
    """Stop a merchant from asking and sending, at once."""
    with open_context() as world:
        changed = admit.set_status(world, merchant_id, MerchantStatus.SUSPENDED)
    print_one(_row(changed), in_json=as_json)


@merchant.command()
@click.argument("merchant_id")
@as_json
def activate(merchant_id: str, *, as_json: bool) -> None:
    """Let a merchant ask and send again."""
    with open_context() as world:
        changed = admit.set_status(world, merchant_id, MerchantStatus.ACTIVE)
    print_one(_row(changed), in_json=as_json)


@click.group("api-key")
def api_key() -> None:
    """Make, list and revoke API keys."""


@api_key.command("add")
@click.argument("merchant_id")
@as_json
def add_key(merchant_id: str, *, as_json: bool) -> None:
    """Make a further API key. It is shown once, here, and kept nowhere."""
    with open_context() as world:
        key, text = admit.add_api_key(world, merchant_id)
    print_one({"id": key.id, "api_key": text}, in_json=as_json)


@api_key.command("list")
@click.argument("merchant_id")
@as_json
def list_keys(merchant_id: str, *, as_json: bool) -> None:
    """List a merchant's API keys; not the secrets, which nobody has."""
    with open_context() as world:
        found = world.database.read(
            lambda transaction: merchants.api_keys_of(transaction, merchant_id)
        )
    print_rows(
        [
            {
                "id": key.id,
                "made_at": key.created_at.isoformat(),
                "revoked_at": key.revoked_at.isoformat() if key.revoked_at else "",
            }
            for key in found
        ],
        in_json=as_json,
    )


@api_key.command("revoke")
@click.argument("key_id")
@as_json
def revoke_key(key_id: str, *, as_json: bool) -> None:
    """Revoke an API key, at once."""
    with open_context() as world:
        admit.revoke_api_key(world, key_id)
    print_one({"id": key_id, "state": "revoked"}, in_json=as_json)


@click.group()
def sender() -> None:
    """Admit and list senders: port, extension and signature."""


@sender.command("add")
@click.argument("merchant_id")
@click.option("--port", required=True, help="The port, such as 10690001.")
@click.option("--extension", default="", help="Digits behind the port.")
@click.option("--signature", required=True, help="The name between 【 and 】.")
@as_json
def add_sender(
    merchant_id: str, *, port: str, extension: str, signature: str, as_json: bool
) -> None:
    """Admit a sender for a merchant."""
    with open_context() as world:
        added = admit.add_sender(
            world, merchant_id, port=port, extension=extension, signature=signature
        )
    print_one({"id": added.id}, in_json=as_json)


@sender.command("list")
@click.argument("merchant_id")
@as_json
def list_senders(merchant_id: str, *, as_json: bool) -> None:
    """List a merchant's senders; messages leave from the first."""
    with open_context() as world:
        found = world.database.read(
            lambda transaction: merchants.senders_of(transaction, merchant_id)
        )
    print_rows(
        [
            {
                "id": each.id,
                "port": each.port,
                "extension": each.extension,
                "signature": each.signature,
                "admitted_at": each.admitted_at.isoformat(),
            }
            for each in found
        ],
        in_json=as_json,
    )


def _row(each: Merchant) -> dict[str, str]:
    return {
        "id": each.id,
        "name": each.name,
        "state": each.status.value,
        "admitted_at": each.admitted_at.isoformat(),
    }
