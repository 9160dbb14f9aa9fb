"""`audit`: check stored receipts, grants and events against each other."""

import sys
from typing import Final

import click

from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.services.integrity.audit import Audit, Finding

MAX_SHOWN: Final = 1000  # findings


@click.command()
@as_json
def audit(*, as_json: bool) -> None:
    """Check signatures and keys of all receipts and grants; exit with 1 if something is wrong."""
    shown: list[Finding] = []
    count = 0
    with open_context() as context:
        run = Audit(context.runtime)
        for finding in run.findings():
            count += 1
            if len(shown) < MAX_SHOWN:
                shown.append(finding)
    result = {"receipts": run.receipts, "grants": run.grants, "findings": count}
    rows = [each._asdict() for each in shown]
    print_one({**result, "shown": rows} if as_json else result, in_json=as_json)
    if not as_json and rows:
        print_rows(rows, in_json=False)
    sys.exit(1 if count else 0)
