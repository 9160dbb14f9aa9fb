"""`send`: send a merchant's messages from a file."""

import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import click
import httpx

from consent_tokens.cli.bulk_send import BulkSender, Report
from consent_tokens.cli.campaign_progress import Progress
from consent_tokens.cli.output import as_json, print_one
from consent_tokens.cli.progress_display import ProgressDisplay
from consent_tokens.clock import SystemClock
from consent_tokens.errors import ApiKeyRefusedError, InvalidError
from consent_tokens.randomness import SystemRandomSource
from consent_tokens.services.campaigns.campaign_file import CampaignFile
from consent_tokens.setting_sources import read_secret

SOME_REFUSED: Final = 3  # exit status
ID_BYTES: Final = 16
MAX_PROBLEMS_SHOWN: Final = 20  # lines that `--check` prints


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--url", envvar="CONSENT_BASE_URL", default="http://127.0.0.1:8000", show_default=True,
    help="The base URL of the service.",
)  # fmt: skip
@click.option("--api-key", envvar="CONSENT_API_KEY", help="Better given as CONSENT_API_KEY.")
@click.option("--api-key-file", envvar="CONSENT_API_KEY_FILE", help="A file that holds the key.")
@click.option("--campaign", help="Its name: what was sent under it is not sent again. FILE's name.")
@click.option(
    "--timezone", envvar="CONSENT_DEFAULT_TIMEZONE", default="Asia/Shanghai", show_default=True,
    help="Of a send_at without an offset.",
)  # fmt: skip
@click.option("--encoding", help="Of the file, where it is not found: such as windows-1252.")
@click.option("--check", "is_check", is_flag=True, help="Only read the file; send nothing.")
@as_json
def send(file: Path, *, is_check: bool, as_json: bool, timezone: str, **options: Any) -> None:  # noqa: ANN401 - click's
    """Send messages from a CSV or NDJSON file.

    The columns, or members, are token, purpose, text and, optionally, reference, send_at and
    valid_for_minutes. In place of text: template, with columns such as variables.order, event.type
    and event.id. The whole file is checked first. After an interruption, or with a file that
    was mended, the same command sends what was not accepted yet. Refused lines are written to
    FILE.refused.csv, each with its line number and the reason. Ends with 3 if any was refused.
    """
    campaign = CampaignFile.open(file, _timezone(timezone), options["encoding"])
    if campaign.encoding not in {"utf-8", "utf-8-sig"}:
        click.echo(f"Read as {campaign.encoding.upper()}.", err=True)
    if campaign.ignored:
        click.echo(f"Columns that are not sent: {', '.join(campaign.ignored)}", err=True)
    if is_check:
        _print_check(campaign, in_json=as_json)
        return
    key = _api_key(options["api_key"], options["api_key_file"])
    name = options["campaign"] or file.name
    with _report(file) as report, _client(options["url"], key) as client:
        _send(campaign, client, report, _progress_path(file, name))
    _print_summary(report, in_json=as_json)


def _send(
    campaign: CampaignFile, client: httpx.Client, report: Report, progress_path: Path
) -> None:
    stop, clock, random = threading.Event(), SystemClock(), SystemRandomSource()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop.set())
    progress = Progress(progress_path)
    display = ProgressDisplay(campaign.source.name, campaign.count_lines(), clock)
    try:
        with display:
            BulkSender(
                client=client,
                progress=progress,
                report=report,
                stop=stop,
                new_id=lambda: random.token_bytes(ID_BYTES).hex(),
                now=lambda: int(clock.now().timestamp()),
                on_progress=display.advance,
                on_wait=display.say,
            ).send(campaign.lines())
    finally:
        progress.close()


def _print_summary(report: Report, *, in_json: bool) -> None:
    """Print the result, and exit with SOME_REFUSED if a line was refused."""
    summary = report.summary
    print_one(
        {
            "accepted": summary.accepted,
            "refused": dict(summary.refused) if in_json else _format_counts(summary.refused),
            "report": str(report.path),
        },
        in_json=in_json,
    )
    if summary.refused:
        sys.exit(SOME_REFUSED)


def _print_check(campaign: CampaignFile, *, in_json: bool) -> None:
    """Print how many lines can be read; exit with SOME_REFUSED if one cannot."""
    readable = unreadable = 0
    for line in campaign.lines():
        readable += line.error is None
        unreadable += line.error is not None
        if line.error and unreadable <= MAX_PROBLEMS_SHOWN:
            click.echo(f"line {line.number}: {line.error}", err=True)
    row = {"encoding": campaign.encoding, "readable": readable, "unreadable": unreadable}
    print_one(row, in_json=in_json)
    if unreadable:
        sys.exit(SOME_REFUSED)


@contextmanager
def _report(file: Path) -> Iterator[Report]:
    with Report(file.with_name(f"{file.name}.refused.csv")) as report:
        yield report


def _progress_path(file: Path, campaign: str) -> Path:
    if not campaign or campaign.startswith(".") or set(campaign) & set("/\\\0"):
        raise InvalidError({"campaign": ["must be a name without / and \\"]})
    return file.with_name(f"{campaign}.progress")


def _api_key(key: str | None, file: str | None) -> str:
    found = key or (read_secret(file, "CONSENT_API_KEY_FILE") if file else "")
    if not found or not found.isascii() or not found.isprintable():
        raise ApiKeyRefusedError("set CONSENT_API_KEY to the merchant's API key")
    return found


def _client(url: str, api_key: str) -> httpx.Client:
    """Return a client of the API at a base URL. Raises InvalidError if it is none."""
    wrong = InvalidError({"url": ["must be like https://sms.example"]})
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise wrong
        return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {api_key}"})
    except (ValueError, httpx.InvalidURL):
        raise wrong from None


def _timezone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidError({"timezone": ["must be like Asia/Shanghai"]}) from None


def _format_counts(refused: Mapping[str, int]) -> str:
    parts = [f"{count} {code}" for code, count in sorted(refused.items())]
    return ", ".join(parts) or "none"
