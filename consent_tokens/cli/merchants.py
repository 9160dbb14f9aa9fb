"""`merchant`: applications are decided, and merchants listed, suspended and restored."""

from typing import Any

import click

from consent_tokens.cli import merchant_applications
from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.api_keys import key_row
from consent_tokens.cli.context import open_context
from consent_tokens.cli.groups import proposal_row
from consent_tokens.cli.merchant_options import (
    daily_limits,
    of_classes,
    parse_daily_limits,
    with_identity,
)
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.cli.senders import sender_row
from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.services import merchants as services
from consent_tokens.services.admission import control_groups, merchant_options, suspension
from consent_tokens.services.admission import daily_limits as limits_service
from consent_tokens.services.admission.actors import Action, require_right
from consent_tokens.services.admission.review_file import ReviewFile, read_review_file
from consent_tokens.services.people import team
from consent_tokens.store import merchants
from consent_tokens.store.merchant_people import MerchantRole
from consent_tokens.store.merchants import Merchant, MerchantIdentity, write_limits


@click.group()
def merchant() -> None:
    """Decide on merchants that apply; list, show, suspend and restore merchants."""


for each in merchant_applications.COMMANDS:
    merchant.add_command(each)


@merchant.command("add")
@click.argument("name")
@with_identity
@as_json
def add_merchant(name: str, *, as_json: bool, **identity: str | None) -> None:
    """Add a demonstration: a merchant that nobody checks, to try the service out.

    It sends only while the base URL is a loopback address. Its API key is shown this once, and is
    not stored. A company that wants to send applies: `merchant apply`.
    """
    with open_context() as context:
        admitted = services.add_merchant(context.runtime, name, identity)
    # a demonstration sends any text, and needs no template
    shown = {"id": admitted.merchant.id, "api_key": admitted.api_key, "templates": {}}
    print_one(shown, in_json=as_json)


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
    """Show one merchant: what it applied with, who decided, senders and keys; no secret is shown.

    `twins` are other merchants that it shares something with, or that have a similar name.
    """
    with open_context() as context:
        now = context.runtime.clock.now()
        found = read_review_file(context.runtime, merchant_id)
        twins = control_groups.list_proposals(context.runtime, merchant_id)
    members = _members(found)
    lists: dict[str, list[dict[str, str]]] = {
        "senders": [sender_row(each, now) for each in found.senders],
        "api_keys": [key_row(each) for each in found.api_keys],
        "twins": [proposal_row(each) for each in twins],
        "documents": [
            {"id": each.id, "name": each.name, "type": each.content_type}
            for each in found.documents
        ],
        "reviews": [
            {
                "at": each.at.isoformat(),
                "action": each.action,
                "by": each.operator_id,
                "reason": each.reason or "",
            }
            for each in found.reviews
        ],
    }
    print_one({**members, **lists} if as_json else members, in_json=as_json)
    for name, rows in lists.items() if not as_json else ():
        click.echo(f"\n{name}:")
        print_rows(rows, in_json=False)


def _members(found: ReviewFile) -> dict[str, Any]:
    application = found.application
    applied = {
        "application": application.status.value if application else "",
        "country": application.country if application else "",
        "legal_person": (application.legal_person if application else None) or "",
        "licences": (application.licences if application else None) or "",
        "use": (application.wanted_use if application else None) or "",
        "asked_classes": " ".join(sorted(application.classes)) if application else "",
        "reason": (application.reason if application else None) or "",
    }
    return {
        **_row(found.merchant),
        **_identity_row(found.merchant.identity),
        **applied,
        "link_domains": " ".join(found.link_domains),
        "control_group": found.merchant.control_group or "",
        "weight": found.weight,
        "daily_limits": write_limits(found.merchant.daily_limits),
    }


@merchant.command("set-weight")
@click.argument("merchant_id")
@click.argument("weight", type=int)
@by_operator
@as_json
def set_weight(merchant_id: str, weight: int, *, by: str | None, as_json: bool) -> None:
    """Set a merchant's share of the throughput while several wait: 1 to 100, 1 by default."""
    with deciding(by) as (runtime, actor):
        merchant_options.set_weight(runtime, actor, merchant_id, weight)
    print_one({"id": merchant_id, "weight": weight}, in_json=as_json)


@merchant.command("set-daily-limits")
@click.argument("merchant_id")
@daily_limits
@by_operator
@as_json
def set_daily_limits(
    merchant_id: str, *, daily_limits: tuple[str, ...], by: str | None, as_json: bool
) -> None:
    """Set how many messages of each class are accepted in a day; without --daily-limit: any."""
    with deciding(by) as (runtime, actor):
        limits = parse_daily_limits(daily_limits)
        changed = limits_service.set_daily_limits(runtime, actor, merchant_id, limits)
    print_one(
        {"id": merchant_id, "daily_limits": write_limits(changed.daily_limits)}, in_json=as_json
    )


@merchant.command("set-link-domains")
@click.argument("merchant_id")
@click.argument("domains", nargs=-1)
@by_operator
@as_json
def set_link_domains(
    merchant_id: str, domains: tuple[str, ...], *, by: str | None, as_json: bool
) -> None:
    """Set the domains that a merchant's texts may link to. Without any, they may link anywhere."""
    with deciding(by) as (runtime, actor):
        found = merchant_options.set_link_domains(runtime, actor, merchant_id, domains)
    print_one({"id": merchant_id, "link_domains": " ".join(found)}, in_json=as_json)


@merchant.command("set-identity")
@click.argument("merchant_id")
@with_identity
@click.option("--checked-by", help="Who checked this identity, just now. Pages show it.")
@by_operator
@as_json
def set_identity(
    merchant_id: str, *, by: str | None, as_json: bool, **identity: str | None
) -> None:
    """Set who a merchant is, and who checked it; an empty value removes one.

    A change without --checked-by undoes an earlier check.
    """
    with deciding(by) as (runtime, actor):
        saved = merchant_options.change_identity(runtime, actor, merchant_id, identity)
    print_one({"id": merchant_id, **_identity_row(saved)}, in_json=as_json)


@merchant.command("suspend")
@click.argument("merchant_id")
@click.option("--reason", help="Why; of a demonstration nobody asks.")
@of_classes
@by_operator
@as_json
def suspend_merchant(
    merchant_id: str,
    *,
    reason: str | None,
    classes: tuple[str, ...],
    by: str | None,
    as_json: bool,
) -> None:
    """Stop a merchant's consent requests and messages at once: all, or those of some classes."""
    with deciding(by) as (runtime, actor):
        changed = suspension.suspend(
            runtime,
            actor,
            merchant_id,
            reason,
            map(PurposeClass, classes),
        )
    print_one(_row(changed), in_json=as_json)


@merchant.command("restore")
@click.argument("merchant_id")
@click.option("--reason", help="Why; of a demonstration nobody asks.")
@of_classes
@by_operator
@as_json
def restore_merchant(
    merchant_id: str,
    *,
    reason: str | None,
    classes: tuple[str, ...],
    by: str | None,
    as_json: bool,
) -> None:
    """Let a suspended merchant send again. Two different people must say so."""
    with deciding(by) as (runtime, actor):
        restored = suspension.restore(
            runtime,
            actor,
            merchant_id,
            reason,
            map(PurposeClass, classes),
        )
    if restored.needs_another:
        click.echo("Recorded. It is restored once a second person says so.", err=True)
    print_one(_row(restored.merchant), in_json=as_json)


merchant.add_command(restore_merchant, "activate")


def _row(each: Merchant) -> dict[str, str]:
    return {
        "id": each.id,
        "name": each.name,
        "kind": each.kind.value,
        "status": each.status.value,
        "classes": " ".join(sorted(each.classes)),
        "suspended_classes": " ".join(sorted(each.suspended_classes)),
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


@merchant.command("invite")
@click.argument("merchant_id")
@click.argument("name")
@click.option(
    "--role",
    default=MerchantRole.OWNER.value,
    type=click.Choice([each.value for each in MerchantRole]),
    help="An owner invites further people in the merchant console.",
)
@by_operator
@as_json
def invite_person(merchant_id: str, name: str, *, role: str, by: str | None, as_json: bool) -> None:
    """Invite somebody to the merchant console, and print the link with which they set a password.

    NAME is what they sign in with, such as their e-mail address.
    """
    with deciding(by) as (runtime, actor):
        require_right(actor, Action.APPROVE)
        added, link = team.add_merchant_person(runtime, actor.id, merchant_id, name, role)
    print_one({"id": added.id, "invitation": link}, in_json=as_json)
