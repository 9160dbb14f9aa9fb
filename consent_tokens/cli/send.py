"""`send`: send a merchant's messages from a file."""

import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import click
import httpx

from consent_tokens.cli.bulk_send import BulkSender, Progress, fingerprint
from consent_tokens.cli.output import as_json, print_one
from consent_tokens.errors import UnauthenticatedError


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--url", envvar="CONSENT_BASE_URL", default="http://127.0.0.1:8000", show_default=True,
    help="The base URL of the service.",
)  # fmt: skip
@click.option("--api-key", envvar="CONSENT_API_KEY", help="Better given as CONSENT_API_KEY.")
@as_json
def send(file: Path, url: str, api_key: str | None, *, as_json: bool) -> None:
    """Send messages from a CSV or NDJSON file.

    The columns, or members, are token, purpose, text and, optionally, reference, send_at and
    valid_for_minutes. After an interruption, the same command resumes. Refused lines are written to
    FILE.refused.csv, each with its line number and the reason.
    """
    if not api_key:
        raise UnauthenticatedError("set CONSENT_API_KEY to the merchant's API key")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop.set())
    file_fingerprint = fingerprint(file)
    progress = Progress(file, file_fingerprint)
    with (
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {api_key}"}) as client,
        click.progressbar(length=_count_lines(file), label=file.name, file=sys.stderr) as bar,
    ):
        try:
            BulkSender(client, file_fingerprint, stop, bar.update).send(file, progress)
        finally:
            progress.close()
    summary = progress.summary
    print_one(
        {
            "accepted": summary.accepted,
            "refused": dict(summary.refused) if as_json else _format_counts(summary.refused),
            "report": str(progress.report_path),
        },
        in_json=as_json,
    )


def _format_counts(refused: Mapping[str, int]) -> str:
    parts = [f"{count} {code}" for code, count in sorted(refused.items())]
    return ", ".join(parts) or "none"


def _count_lines(file: Path) -> int:
    """Return about how many messages a file holds: for the progress bar alone."""
    with file.open("rb") as opened:
        return sum(1 for _ in opened)
