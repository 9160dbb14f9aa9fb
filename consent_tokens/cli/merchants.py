"""`merchant`: applications are decided, and merchants listed, suspended and restored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.api_keys import key_row
from consent_tokens.cli.context import open_context
from consent_tokens.cli.groups import proposal_row
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.cli.senders import CLASSES, sender_row
from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.services import merchants as services
from consent_tokens.services.admission import applications, control_groups, documents, suspension
from consent_tokens.services.admission.applications import ApplicationForm
from consent_tokens.services.admission.documents import DocumentFile
from consent_tokens.services.admission.review_file import ReviewFile, read_review_file
from consent_tokens.store import merchants
from consent_tokens.store.merchants import Merchant, MerchantIdentity


@click.group()
def merchant() -> None:
    """Decide on merchants that apply; list, show, suspend and restore merchants."""


of_classes = click.option(
    "--class", "classes", multiple=True, type=click.Choice(CLASSES),
    help="A class of purposes; may be given several times.",
)  # fmt: skip
IDENTITY_OPTIONS = (
    click.option("--legal-name", help="The company's name, as registered."),
    click.option("--registration", help="Its number in the register of companies."),
    click.option("--contact", help="Where consumers reach it: telephone, mail or address."),
    click.option("--website", help="Its site, http or https."),
)


def with_identity(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say who a merchant is."""
    for option in reversed(IDENTITY_OPTIONS):
        command = option(command)
    return command


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


@merchant.command("apply")
@click.option("--name", required=True, help="The name that consumers know it by.")
@click.option("--legal-name", required=True, help="The company's name, as registered.")
@click.option(
    "--registration", required=True,
    help="Its number in the register; of China the unified social credit code.",
)  # fmt: skip
@click.option("--contact", required=True, help="Where consumers reach it.")
@click.option("--country", default="CN", show_default=True, help="Where it is registered.")
@of_classes
@click.option("--legal-person", help="Who represents it.")
@click.option("--website", help="Its site, http or https.")
@click.option("--link-domain", "link_domains", multiple=True, help="Where its texts may link to.")
@click.option("--licence", "licences", multiple=True, help="A licence that it holds.")
@click.option("--use", "wanted_use", help="What it wants to send, and to whom.")
@click.option(
    "--document", "document_paths", multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A PDF, PNG or JPEG of at most 5 MB, such as its licence. Kept sealed.",
)  # fmt: skip
@click.option("--amends", metavar="ID", help="The merchant whose returned application this mends.")
@as_json
def apply_merchant(
    *,
    classes: tuple[str, ...],
    link_domains: tuple[str, ...],
    licences: tuple[str, ...],
    document_paths: tuple[Path, ...],
    amends: str | None,
    as_json: bool,
    **texts: Any,  # noqa: ANN401 - the texts of the form, by name
) -> None:
    """Submit a company's application. It sends nothing until it is approved."""
    files = [DocumentFile(path.name, _read_file(path)) for path in document_paths]
    form = ApplicationForm(
        classes=frozenset(map(PurposeClass, classes)) or applications.DEFAULT_CLASSES,
        link_domains=link_domains,
        licences="; ".join(licences) or None,
        documents=files,
        **texts,
    )
    with open_context() as context:
        applied = applications.apply(context.runtime, form, amends=amends)
    print_one({"id": applied.id}, in_json=as_json)


def _read_file(path: Path) -> bytes:
    """Return the content of a file, cut behind the limit that is checked later."""
    with path.open("rb") as file:
        return file.read(documents.MAX_DOCUMENT_BYTES + 1)


@merchant.command("approve")
@click.argument("merchant_id")
@of_classes
@click.option(
    "--purpose",
    "purposes",
    multiple=True,
    help="A purpose that needs an admission of its own, such as finance.collection.",
)
@click.option("--checked-by", help="Who checked the identity, as consumers read it.")
@by_operator
@as_json
def approve_merchant(
    merchant_id: str,
    *,
    classes: tuple[str, ...],
    purposes: tuple[str, ...],
    checked_by: str | None,
    by: str | None,
    as_json: bool,
) -> None:
    """Admit a merchant that applied, for the classes that it asked for or for some of them.

    Its API key is shown this once, and is not stored. Without --checked-by, consumers read that
    the company that runs this service checked who it is.
    """
    with deciding(by) as (runtime, actor):
        admitted = applications.approve(
            runtime,
            actor,
            merchant_id,
            checked_by=checked_by or runtime.service.operator.legal_name or runtime.service.name,
            classes=frozenset(map(PurposeClass, classes)) or None,
            purposes=frozenset(map(_purpose, purposes)),
        )
    print_one({"id": admitted.merchant.id, "api_key": admitted.api_key}, in_json=as_json)


def _purpose(name: str) -> Purpose:
    """Return a purpose by its id. Raises BadParameter."""
    if name not in Purpose:
        raise click.BadParameter(f"{name} is no purpose", param_hint="--purpose")
    return Purpose(name)


@merchant.command("return")
@click.argument("merchant_id")
@click.option("--reason", required=True, help="What is to be mended.")
@by_operator
@as_json
def return_merchant(merchant_id: str, *, reason: str, by: str | None, as_json: bool) -> None:
    """Send an application back, to be mended with `merchant apply --amends ID`."""
    with deciding(by) as (runtime, actor):
        applications.return_application(runtime, actor, merchant_id, reason)
    print_one({"id": merchant_id, "status": "returned"}, in_json=as_json)


@merchant.command("refuse")
@click.argument("merchant_id")
@click.option("--reason", required=True, help="Why.")
@by_operator
@as_json
def refuse_merchant(merchant_id: str, *, reason: str, by: str | None, as_json: bool) -> None:
    """Refuse a merchant that applied, and delete its documents."""
    with deciding(by) as (runtime, actor):
        applications.refuse(runtime, actor, merchant_id, reason)
    print_one({"id": merchant_id, "status": "refused"}, in_json=as_json)


@merchant.command("document")
@click.argument("document_id")
@click.option(
    "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file."
)
@by_operator
def write_document(document_id: str, *, output: Path, by: str | None) -> None:
    """Open a document of an application, and write it to a file."""
    with deciding(by) as (runtime, actor):
        found = documents.read_document(runtime, actor, document_id)
    output.write_bytes(found.content)


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
    }


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
@click.option("--checked-by", help="Who checked this identity, just now. Pages show it.")
@as_json
def set_identity(merchant_id: str, *, as_json: bool, **identity: str | None) -> None:
    """Set who a merchant is, and who checked it; an empty value removes one.

    A change without --checked-by undoes an earlier check.
    """
    with open_context() as context:
        runtime = context.runtime
        saved = services.set_identity(runtime, merchant_id, identity)
        runtime.database.run(
            lambda transaction: control_groups.propose_twins(runtime, transaction, merchant_id)
        )
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
