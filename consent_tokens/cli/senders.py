"""`sender`: ports with extensions and signatures, from which merchants text."""

import csv
import sys
from datetime import datetime
from io import StringIO
from typing import Final

import click

from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.relay.admission.sender_rules import SignatureSource
from consent_tokens.services.admission import sender_applications, sender_list
from consent_tokens.services.admission import senders as services
from consent_tokens.services.admission.sender_list import CARRIER_COLUMNS, carrier_rows
from consent_tokens.services.admission.senders import SenderDetails
from consent_tokens.store.sender_applications import SenderApplication
from consent_tokens.store.senders import Sender

CLASSES: Final = [each.value for each in PurposeClass]


@click.group()
def sender() -> None:
    """Admit, list, revoke and export senders: port, extension and signature."""


@sender.command("add")
@click.argument("merchant_id")
@click.option("--port", required=True, help="The port, such as 10690001.")
@click.option("--extension", default="", help="Digits after the port.")
@click.option("--signature", required=True, help="The name between 【 and 】.")
@click.option(
    "--class", "classes", multiple=True, type=click.Choice(CLASSES),
    help="What may leave from it; else all that the merchant is admitted for.",
)  # fmt: skip
@click.option("--carrier", help="The carrier or SMS provider that admitted the port.")
@click.option("--licence", help="The licence that the port was filed under.")
@click.option("--filed-use", help="What the carrier was told it is for.")
@click.option("--valid-until", type=click.DateTime(["%Y-%m-%d"]), help="The last day, of UTC.")
@click.option(
    "--source", default=SignatureSource.COMPANY.value,
    type=click.Choice([each.value for each in SignatureSource]),
    help="Why the signature is the merchant's.",
)  # fmt: skip
@click.option("--evidence", help="Of the source, such as the number of a trademark.")
@by_operator
@as_json
def add_sender(  # noqa: PLR0913 - the options of the command
    merchant_id: str,
    *,
    port: str,
    extension: str,
    signature: str,
    classes: tuple[str, ...],
    valid_until: datetime | None,
    source: str,
    by: str | None,
    as_json: bool,
    **texts: str | None,
) -> None:
    """Admit a sender for a merchant."""
    details = SenderDetails(
        classes=frozenset(map(PurposeClass, classes)) or None,
        valid_until=None if valid_until is None else sender_list.end_of_day(valid_until.date()),
        source=SignatureSource(source),
        **texts,
    )
    with deciding(by) as (runtime, actor):
        added = services.add_sender(
            runtime,
            merchant_id,
            port=port,
            extension=extension,
            signature=signature,
            details=details,
            actor=actor,
        )
    print_one({"id": added.id}, in_json=as_json)


@sender.command("list")
@click.argument("merchant_id", required=False)
@as_json
def list_senders(merchant_id: str | None, *, as_json: bool) -> None:
    """List senders, of a merchant or all; messages leave from the first that is admitted for them.

    Those that a merchant applied for, and nobody decided on yet, come last.
    """
    with open_context() as context:
        runtime = context.runtime
        now = runtime.clock.now()
        found = sender_list.list_senders(runtime, merchant_id)
        waiting = sender_applications.list_submitted(runtime, merchant_id)
    rows = [sender_row(each, now) for each in found] + [_application_row(each) for each in waiting]
    print_rows(rows, in_json=as_json)


@sender.command("approve")
@click.argument("sender_id")
@by_operator
@as_json
def approve_sender(sender_id: str, *, by: str | None, as_json: bool) -> None:
    """Admit a sender that a merchant applied for."""
    with deciding(by) as (runtime, actor):
        admitted = sender_applications.approve(runtime, actor, sender_id)
    print_one({"id": admitted.id}, in_json=as_json)


@sender.command("refuse")
@click.argument("sender_id")
@click.option("--reason", required=True, help="Why; the merchant reads it.")
@by_operator
@as_json
def refuse_sender(sender_id: str, *, reason: str, by: str | None, as_json: bool) -> None:
    """Refuse a sender that a merchant applied for."""
    with deciding(by) as (runtime, actor):
        sender_applications.refuse(runtime, actor, sender_id, reason)
    print_one({"id": sender_id, "status": "refused"}, in_json=as_json)


@sender.command("revoke")
@click.argument("sender_id")
@click.option("--reason", required=True, help="Why.")
@by_operator
@as_json
def revoke_sender(sender_id: str, *, reason: str, by: str | None, as_json: bool) -> None:
    """Revoke a sender, at once. Its port may be another merchant's after 180 days."""
    with deciding(by) as (runtime, actor):
        revoked = services.revoke_sender(runtime, actor, sender_id, reason)
    print_one({"id": revoked.id, "status": "revoked"}, in_json=as_json)


@sender.command("export")
@click.option("--carrier", help="Of this carrier or provider only.")
def export_senders(carrier: str | None) -> None:
    """Print the list of senders in use as CSV, as carriers ask for it."""
    with open_context() as context:
        rows = carrier_rows(context.runtime, carrier)
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(CARRIER_COLUMNS)
    writer.writerows(rows)
    sys.stdout.write(text.getvalue())


def sender_row(each: Sender, now: datetime) -> dict[str, str]:
    """Return a sender as lists show it."""
    return {
        **_form_row(each),
        "status": sender_list.status_of(each, now).value,
        "valid_until": _time(each.valid_until),
        "admitted_at": _time(each.admitted_at),
    }


def _application_row(each: SenderApplication) -> dict[str, str]:
    return {
        **_form_row(each.sender),
        "status": each.status.value,
        "valid_until": _time(each.sender.valid_until),
        "admitted_at": "",
    }


def _form_row(each: Sender) -> dict[str, str]:
    return {
        "id": each.id,
        "merchant_id": each.merchant_id,
        "port": each.port,
        "extension": each.extension,
        "signature": each.signature,
        "classes": "" if each.classes is None else " ".join(sorted(each.classes)),
        "carrier": each.carrier or "",
    }


def _time(at: datetime | None) -> str:
    return at.isoformat() if at else ""
