"""`complaint`: what consumers reported, and the operator's decisions."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from consent_tokens.cli.actor import by_operator, deciding
from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.evidence.as_marketing import Finding
from consent_tokens.evidence.complaints import Complaint, ComplaintStatus
from consent_tokens.evidence.events import EventKind
from consent_tokens.services.complaint_additions import read_shown_text, read_statement_as
from consent_tokens.services.complaints import decide_complaint, find_complaint
from consent_tokens.services.runtime import Runtime
from consent_tokens.store import complaints, events

MAX_SHOWN: Final = 200  # complaints of one list
MAX_REASON_DAYS: Final = 366  # such events are deleted earlier
DECISIONS: Final = [each.value for each in ComplaintStatus if each is not ComplaintStatus.RECEIVED]

FINDING_WORDS: Final = {
    Finding.NOT_AGREED: "the consent covered no marketing",
    Finding.OUTSIDE_HOURS: "outside the hours that the consent allows for marketing",
    Finding.OVER_CAP: "more marketing than the consent allows",
    Finding.QUIET_PERIOD: "in a quiet period of the consumer",
    Finding.QUIET_UNKNOWN: "whether it was a quiet period of the consumer is no longer known",
}


@click.group()
def complaint() -> None:
    """List, show and decide what consumers reported."""


@complaint.command("list")
@as_json
def list_complaints(*, as_json: bool) -> None:
    """List complaints, the newest first."""
    with open_context() as context:
        found = context.runtime.database.read(
            lambda transaction: complaints.latest(transaction, MAX_SHOWN)
        )
        rows = [_row(context.runtime, each) for each in found]
    print_rows(rows, in_json=as_json)


@complaint.command("show")
@click.argument("complaint_id")
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the consumer's picture to this file.",
)
@by_operator
@as_json
def show_complaint(
    complaint_id: str, picture: Path | None, *, by: str | None, as_json: bool
) -> None:
    """Show one complaint, with what the consumer added to it.

    Statement, picture, and the text that it is about, if the consumer allowed that, are shown to
    whoever decides on complaints; that they were read is recorded.
    """
    with deciding(by) as (runtime, actor):
        found = _get_complaint(runtime, complaint_id)
        statement, image = read_statement_as(runtime, actor, found)
        row = {
            **_row(runtime, found),
            **_judged(found),
            "ordered": found.has_ordered,
            "text": read_shown_text(runtime, actor, found),
            "statement": statement,
            "has_picture": bool(image),
        }
    if picture and image:
        picture.write_bytes(image)
    print_one(row, in_json=as_json)


@complaint.command()
@click.argument("complaint_id")
@click.argument("status", type=click.Choice(DECISIONS))
@click.option("--reason", help="Why; needed to decide whether a text was an advert.")
@by_operator
@as_json
def decide(
    complaint_id: str, status: str, *, reason: str | None, by: str | None, as_json: bool
) -> None:
    """Set the status of a complaint; its consumer sees it.

    Where a transactional text was reported as an advert, all undecided complaints about its
    template are decided. `upheld` withdraws the template.
    """
    with deciding(by) as (runtime, actor):
        decided = decide_complaint(
            runtime,
            complaint_id,
            ComplaintStatus(status),
            actor=actor,
            reason=reason,
        )
        row = {**_row(runtime, decided), **_judged(decided)}
    print_one(row, in_json=as_json)


@complaint.command("disputed")
@as_json
def list_disputed(*, as_json: bool) -> None:
    """List the templates whose texts were reported as adverts; those in review first."""
    with open_context() as context:
        found = context.runtime.database.read(
            lambda transaction: complaints.count_disputes_by_template(transaction, MAX_SHOWN)
        )
    rows = [
        {"template": template_id, "status": status, "complaints": count}
        for template_id, status, count in found
    ]
    print_rows(rows, in_json=as_json)


@complaint.command("stop-reasons")
@click.option(
    "--days",
    type=click.IntRange(1, MAX_REASON_DAYS),
    default=30,
    show_default=True,
    help="Count those of so many days.",
)
@as_json
def count_stop_reasons(days: int, *, as_json: bool) -> None:
    """Count why consumers stopped each merchant, as far as they said."""
    with open_context() as context:
        since = context.runtime.clock.now() - timedelta(days=days)
        counts = context.runtime.database.read(
            lambda transaction: events.count_by_merchant_and_reason(
                transaction, EventKind.STOP_REASON_GIVEN, since
            )
        )
    rows = [
        {"merchant": merchant_id, "reason": reason, "count": count}
        for merchant_id, reason, count in counts
    ]
    print_rows(rows, in_json=as_json)


def _get_complaint(runtime: Runtime, complaint_id: str) -> Complaint:
    return runtime.database.read(lambda at: find_complaint(runtime, at, complaint_id))


def _judged(found: Complaint) -> dict[str, list[str]]:
    """Return what an advert that was sent as transactional broke as marketing, in words."""
    if found.findings is None:
        return {}
    return {"as_marketing": [FINDING_WORDS[each] for each in found.findings]}


def _row(runtime: Runtime, found: Complaint) -> Mapping[str, Any]:
    return {
        "id": runtime.ids.complaint.encode(found.key),
        "merchant": found.merchant_id or "",
        "template": found.template_id or "",
        "reason": found.reason.value,
        "verdict": found.verdict.value,
        "status": found.status.value,
        "at": found.filed_at.isoformat(),
    }
