"""`complaint` and `number`: what consumers reported, and numbers that changed hands."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Any

import click

from consent_tokens.app_context import AppContext
from consent_tokens.cli.merchants import open_context
from consent_tokens.cli.output import as_json, print_one, print_rows
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.evidence.complaints import ComplaintStatus
from consent_tokens.services.complaints import decide_complaint, read_statement
from consent_tokens.services.erasure import number_reassigned
from consent_tokens.store import complaints
from consent_tokens.store.complaints import Complaint

MAX_SHOWN = 200
DECISIONS = [state.value for state in ComplaintStatus if state is not ComplaintStatus.RECEIVED]


@click.group()
def complaint() -> None:
    """Look at what consumers reported, and decide it."""


@complaint.command("list")
@as_json
def list_complaints(*, as_json: bool) -> None:
    """List complaints, the newest first."""
    with open_context() as world:
        found = world.database.read(lambda transaction: complaints.latest(transaction, MAX_SHOWN))
        rows = [_row(world, each) for each in found]
    print_rows(rows, in_json=as_json)


@complaint.command("show")
@click.argument("complaint_id")
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), help="Write the picture there."
)
@as_json
def show_complaint(complaint_id: str, picture: Path | None, *, as_json: bool) -> None:
    """Show one complaint, with the consumer's own words."""
    with open_context() as world:
        address = world.keyring.ids.complaint.decode(complaint_id)
        found = (
            world.database.read(lambda transaction: complaints.find(transaction, address))
            if address
            else None
        )
        if found is None:
            raise NotFoundError("no complaint of that id")
        said, shown = read_statement(world, found)
        if picture and shown:
            picture.write_bytes(shown)
        row = {**_row(world, found), "said": said, "has_picture": bool(shown)}
    print_one(row, in_json=as_json)


@complaint.command()
@click.argument("complaint_id")
@click.argument("state", type=click.Choice(DECISIONS))
@as_json
def decide(complaint_id: str, state: str, *, as_json: bool) -> None:
    """Say where a complaint stands; its consumer and its merchant see it."""
    with open_context() as world:
        row = _row(world, decide_complaint(world, complaint_id, ComplaintStatus(state)))
    print_one(row, in_json=as_json)


def _row(world: AppContext, found: Complaint) -> Mapping[str, Any]:
    return {
        "id": world.keyring.ids.complaint.encode(found.key),
        "merchant": found.merchant_id or "",
        "reason": found.reason.value,
        "verdict": found.verdict.value,
        "state": found.status.value,
        "at": found.filed_at.isoformat(),
    }


@click.group()
def number() -> None:
    """Tell the service of numbers that changed hands."""


@number.command("reassigned")
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
@as_json
def reassigned_numbers(file: IO[str], *, as_json: bool) -> None:
    """End what former owners agreed to: lines of `number,day`, from a file or standard input.

    The day (2026-11-25) is when the number was given to somebody else; what was agreed to after it
    stays. Numbers are never given as arguments: the process list would show them.
    """
    ended = lines = 0
    with open_context() as world:
        for line in file:
            if line.strip():
                ended += number_reassigned(world, *_parsed(line))
                lines += 1
    print_one({"numbers": lines, "ended": ended}, in_json=as_json)


def _parsed(line: str) -> tuple[PhoneNumber, datetime]:
    text, _, day = line.strip().partition(",")
    try:
        since = date.fromisoformat(day.strip())
        return PhoneNumber.parse(text), datetime(since.year, since.month, since.day, tzinfo=UTC)
    except ValueError:
        # `from None`: the fault of the parser may carry the line
        raise InvalidError({"line": ["must be +8613900000000,2026-11-25"]}) from None
