"""`merchant apply`, `approve`, `return`, `refuse`, `document`: applications of companies."""

from pathlib import Path
from typing import Any, Final

import click

from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.context import open_context
from consent_tokens.cli.merchant_options import daily_limits, of_classes, parse_daily_limits
from consent_tokens.cli.output import as_json, print_one
from consent_tokens.cli.purposes import find_purpose
from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.services.admission import applications, documents
from consent_tokens.services.admission.application_form import DEFAULT_CLASSES, ApplicationForm
from consent_tokens.services.admission.documents import DocumentFile


@click.command("apply")
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
        classes=frozenset(map(PurposeClass, classes)) or DEFAULT_CLASSES,
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


@click.command("approve")
@click.argument("merchant_id")
@of_classes
@click.option(
    "--purpose",
    "purposes",
    multiple=True,
    help="A purpose that needs an admission of its own, such as finance.collection.",
)
@daily_limits
@click.option("--checked-by", help="Who checked the identity, as consumers read it.")
@by_operator
@as_json
def approve_merchant(  # noqa: PLR0913 - the options of one command
    merchant_id: str,
    *,
    classes: tuple[str, ...],
    purposes: tuple[str, ...],
    daily_limits: tuple[str, ...],
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
            purposes=frozenset(map(find_purpose, purposes)),
            daily_limits=parse_daily_limits(daily_limits),
        )
    print_one({"id": admitted.merchant.id, "api_key": admitted.api_key}, in_json=as_json)


@click.command("return")
@click.argument("merchant_id")
@click.option("--reason", required=True, help="What is to be mended.")
@by_operator
@as_json
def return_merchant(merchant_id: str, *, reason: str, by: str | None, as_json: bool) -> None:
    """Send an application back, to be mended with `merchant apply --amends ID`."""
    with deciding(by) as (runtime, actor):
        applications.return_application(runtime, actor, merchant_id, reason)
    print_one({"id": merchant_id, "status": "returned"}, in_json=as_json)


@click.command("refuse")
@click.argument("merchant_id")
@click.option("--reason", required=True, help="Why.")
@by_operator
@as_json
def refuse_merchant(merchant_id: str, *, reason: str, by: str | None, as_json: bool) -> None:
    """Refuse a merchant that applied, and delete its documents."""
    with deciding(by) as (runtime, actor):
        applications.refuse(runtime, actor, merchant_id, reason)
    print_one({"id": merchant_id, "status": "refused"}, in_json=as_json)


@click.command("document")
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


COMMANDS: Final = (
    apply_merchant,
    approve_merchant,
    return_merchant,
    refuse_merchant,
    write_document,
)
