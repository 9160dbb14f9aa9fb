"""`send`: a merchant's campaign, from a file."""

import signal
import sys
import threading
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
    help="Where the service is.",
)  # fmt: skip
@click.option("--api-key", envvar="CONSENT_API_KEY", help="Better given as CONSENT_API_KEY.")
@as_json
def send(file: Path, url: str, api_key: str | None, *, as_json: bool) -> None:
    """Send a campaign from a CSV or NDJSON file.

    The columns, or members, are token, purpose, text and, if wished, reference, send_at and
    valid_for_minutes. Stopped half-way, the same command goes on where it was. What was refused
    stands in FILE.refused.csv, with its line and the reason.
    """
    if not api_key:
        raise UnauthenticatedError("set CONSENT_API_KEY to the merchant's API key")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop.set())
    mark = fingerprint(file)
    books = Progress(file, mark)
    with (
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {api_key}"}) as client,
        click.progressbar(length=_lines(file), label=file.name, file=sys.stderr) as bar,
    ):
        try:
            BulkSender(client, mark, stop, bar.update).send(file, books)
        finally:
            books.close()
    summary = books.summary
    print_one(
        {
            "accepted": summary.accepted,
            "refused": dict(summary.refused) if as_json else _said(summary.refused),
            "report": str(books.report_path),
        },
        in_json=as_json,
    )


def _said(refused: dict[str, int]) -> str:
    parts = [f"{count} {code}" for code, count in sorted(refused.items())]
    return ", ".join(parts) or "none"


def _lines(file: Path) -> int:
    """Return about how many messages a file holds: for the progress bar alone."""
    with file.open("rb") as opened:
        return sum(1 for _ in opened)
