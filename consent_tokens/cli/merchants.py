"""`merchant`, `api-key` and `sender`: the operator admits merchants and their senders."""

from collections.abc import Callable
from typing import Any

import click

from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.errors import NotFoundError
from consent_tokens.services import merchants as services
from consent_tokens.services.admission.senders import add_sender as add_admitted_sender
from consent_tokens.store import api_keys, merchants, senders
from consent_tokens.store.api_keys import ApiKey
from consent_tokens.store.database import Transaction
from consent_tokens.store.merchants import Merchant, MerchantIdentity, MerchantStatus
from consent_tokens.store.senders import Sender


@click.group()
def merchant() -> None:
    """Admit, list, show, suspend and activate merchants."""


IDENTITY_OPTIONS = (
    click.option("--legal-name", help="The company's name, as registered."),
    click.option("--registration", help="Its number in the register of companies."),
    click.option("--contact", help="Where consumers reach it: telephone, mail or address."),
    click.option("--website", help="Its site, http or https."),
    click.option("--checked-by", help="Who checked this identity, just now. Pages show it."),
)


def with_identity(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say who a merchant is, and who checked it."""
    for option in reversed(IDENTITY_OPTIONS):
        command = option(command)
    return command


@merchant.command("add")
@click.argument("name")
@with_identity
@as_json
def add_merchant(name: str, *, as_json: bool, **identity: str | None) -> None:
    """Admit a merchant. Its API key is shown this once, and is not stored.

    Without --checked-by, pages say that nobody checked who it is.
    """
    with open_context() as context:
        admitted = services.add_merchant(context.runtime, name, identity)
    print_one({"id": admitted.merchant.id, "api_key": admitted.api_key}, in_json=as_json)


@merchant.command("list")
@as_json
def list_merchants(*, as_json: bool) -> None:
    """List all merchants."""
    with open_context() as context:
        found = context.runtime.database.read(merchants.list_all)
    print_rows([_row(each) for each in found], in_json=as_json)


@merchant.command("show")
@click.argument("merchant_id")
@as_json
def show_merchant(merchant_id: str, *, as_json: bool) -> None:
    """Show one merchant, with its weight, senders and API keys; no secret is shown."""

    def query(transaction: Transaction) -> tuple[dict[str, Any], dict[str, list[dict[str, str]]]]:
        found = merchants.find(transaction, merchant_id)
        if found is None:
            raise NotFoundError("no such merchant")
        weight = merchants.weights(transaction).get(merchant_id, 1)
        found_senders = senders.of_merchant(transaction, merchant_id)
        keys = api_keys.of_merchant(transaction, merchant_id)
        return {**_row(found), **_identity_row(found.identity), "weight": weight}, {
            "senders": [_sender_row(each) for each in found_senders],
            "api_keys": [_key_row(each) for each in keys],
        }

    with open_context() as context:
        members, lists = context.runtime.database.read(query)
    print_one({**members, **lists} if as_json else members, in_json=as_json)
    for name, rows in lists.items() if not as_json else ():
        click.echo(f"\n{name}:")
        print_rows(rows, in_json=False)


@merchant.command("set-weight")
@click.argument("merchant_id")
@click.argument("weight", type=int)
@as_json
def set_weight(merchant_id: str, weight: int, *, as_json: bool) -> None:
    """Set a merchant's share of the throughput while several wait: 1 to 100, 1 by default."""
    with open_context() as context:
        services.set_weight(context.runtime, merchant_id, weight)
    print_one({"id": merchant_id, "weight": weight}, in_json=as_json)


@merchant.command("set-link-domains")
@click.argument("merchant_id")
@click.argument("domains", nargs=-1)
@as_json
def set_link_domains(merchant_id: str, domains: tuple[str, ...], *, as_json: bool) -> None:
    """Set the domains that a merchant's texts may link to. Without any, they may link anywhere."""
    with open_context() as context:
        found = services.set_link_domains(context.runtime, merchant_id, domains)
    print_one({"id": merchant_id, "link_domains": " ".join(found)}, in_json=as_json)


@merchant.command("set-identity")
@click.argument("merchant_id")
@with_identity
@as_json
def set_identity(merchant_id: str, *, as_json: bool, **identity: str | None) -> None:
    """Set who a merchant is, and who checked it; an empty value removes one.

    A change without --checked-by undoes an earlier check.
    """
    with open_context() as context:
        saved = services.set_identity(context.runtime, merchant_id, identity)
    print_one({"id": merchant_id, **_identity_row(saved)}, in_json=as_json)


@merchant.command()
@click.argument("merchant_id")
@as_json
def suspend(merchant_id: str, *, as_json: bool) -> None:
    """Stop a merchant's consent requests and messages, at once."""
    _set_status(merchant_id, MerchantStatus.SUSPENDED, in_json=as_json)


@merchant.command()
@click.argument("merchant_id")
@as_json
def activate(merchant_id: str, *, as_json: bool) -> None:
    """Let a suspended merchant request consent and send again."""
    _set_status(merchant_id, MerchantStatus.ACTIVE, in_json=as_json)


@click.group("api-key")
def api_key() -> None:
    """Add, list and revoke API keys."""


@api_key.command("add")
@click.argument("merchant_id")
@as_json
def add_key(merchant_id: str, *, as_json: bool) -> None:
    """Add an API key. It is shown this once, and is not stored."""
    with open_context() as context:
        key, text = services.add_api_key(context.runtime, merchant_id)
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
    print_rows([_key_row(key) for key in found], in_json=as_json)


@api_key.command("revoke")
@click.argument("key_id")
@as_json
def revoke_key(key_id: str, *, as_json: bool) -> None:
    """Revoke an API key, at once."""
    with open_context() as context:
        services.revoke_api_key(context.runtime, key_id)
    print_one({"id": key_id, "status": "revoked"}, in_json=as_json)


@click.group()
def sender() -> None:
    """Admit and list senders: port, extension and signature."""


@sender.command("add")
@click.argument("merchant_id")
@click.option("--port", required=True, help="The port, such as 10690001.")
@click.option("--extension", default="", help="Digits after the port.")
@click.option("--signature", required=True, help="The name between 【 and 】.")
@as_json
def add_sender(
    merchant_id: str, *, port: str, extension: str, signature: str, as_json: bool
) -> None:
    """Admit a sender for a merchant."""
    with open_context() as context:
        added = add_admitted_sender(
            context.runtime, merchant_id, port=port, extension=extension, signature=signature
        )
    print_one({"id": added.id}, in_json=as_json)


@sender.command("list")
@click.argument("merchant_id")
@as_json
def list_senders(merchant_id: str, *, as_json: bool) -> None:
    """List a merchant's senders; messages leave from the first."""
    with open_context() as context:
        found = context.runtime.database.read(
            lambda transaction: senders.of_merchant(transaction, merchant_id)
        )
    print_rows([_sender_row(each) for each in found], in_json=as_json)


def _set_status(merchant_id: str, status: MerchantStatus, *, in_json: bool) -> None:
    with open_context() as context:
        changed = services.set_status(context.runtime, merchant_id, status)
    print_one(_row(changed), in_json=in_json)


def _row(each: Merchant) -> dict[str, str]:
    return {
        "id": each.id,
        "name": each.name,
        "status": each.status.value,
        "admitted_at": each.admitted_at.isoformat(),
    }


def _identity_row(identity: MerchantIdentity) -> dict[str, str]:
    return {
        "legal_name": identity.legal_name or "",
        "registration": identity.registration or "",
        "contact": identity.contact or "",
        "website": identity.website or "",
        "checked_by": identity.checked_by or "",
        "checked_at": identity.checked_at.isoformat() if identity.checked_at else "",
    }


def _key_row(key: ApiKey) -> dict[str, str]:
    return {
        "id": key.id,
        "status": "revoked" if key.revoked_at else "active",
        "created_at": key.created_at.isoformat(),
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else "",
    }


def _sender_row(each: Sender) -> dict[str, str]:
    return {
        "id": each.id,
        "port": each.port,
        "extension": each.extension,
        "signature": each.signature,
        "admitted_at": each.admitted_at.isoformat(),
    }
