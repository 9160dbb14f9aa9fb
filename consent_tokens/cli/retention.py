"""`retention`: how long data is kept, and what was deleted."""

from collections.abc import Mapping
from typing import Any

import click

from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_rows
from consent_tokens.services.retention.report import KindReport, report_retention


@click.group()
def retention() -> None:
    """Show how long data is kept, and what was deleted."""


@retention.command("report")
@as_json
def report(*, as_json: bool) -> None:
    """Show each kind of data: how long it is kept and why, what is due, and what was deleted.

    `kept_days` is empty where no fixed time applies; `since` then says how long. The dispatcher
    deletes what is due.
    """
    with open_context() as context:
        found = report_retention(context.runtime, context.consent)
    print_rows([_row(each) for each in found], in_json=as_json)


def _row(found: KindReport) -> Mapping[str, Any]:
    kind, run = found.kind, found.run
    days = found.kept_for.total_seconds() / 86_400 if found.kept_for is not None else None
    return {
        "kind": kind.name,
        "kept_days": "" if days is None else round(days, 4),
        "since": kind.since,
        "why": kind.basis,
        "due": found.due,
        "last_run": run.ran_at.isoformat() if run else "",
        "deleted": run.deleted if run else 0,
        "deleted_before": run.deleted_before.isoformat() if run and run.deleted_before else "",
        "said_on": "/privacy" if kind.is_on_page else "docs/data-model.md",
        "tables": " ".join(kind.tables),
    }
