"""`reassigned-numbers`: phone numbers that were given to somebody else."""

from datetime import UTC, date, datetime
from typing import IO

import click

from consent_tokens.cli.context import open_context
from consent_tokens.cli.output import as_json, print_one
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.errors import InvalidError
from consent_tokens.services.erasure import number_reassigned


@click.group("reassigned-numbers")
def reassigned_numbers() -> None:
    """Revoke what former owners of phone numbers agreed to."""


@reassigned_numbers.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"), default="-")
@as_json
def import_numbers(file: IO[str], *, as_json: bool) -> None:
    """Read lines of `number,day` from a file or standard input, and revoke the former grants.

    The day (2026-11-25) is when the number was given to somebody else; what was agreed to after it
    stays. Numbers are never given as arguments: the process list would show them.
    """
    numbers = revoked = 0
    with open_context() as context:
        for line in file:
            if line.strip():
                revoked += number_reassigned(context.runtime, *_parse_line(line))
                numbers += 1
    print_one({"numbers": numbers, "revoked": revoked}, in_json=as_json)


def _parse_line(line: str) -> tuple[PhoneNumber, datetime]:
    number, _, day = line.strip().partition(",")
    try:
        since = date.fromisoformat(day.strip())
        return PhoneNumber.parse(number), datetime(since.year, since.month, since.day, tzinfo=UTC)
    except ValueError:
        # `from None`: the parser's error may hold the line, and so the number
        raise InvalidError({"line": ["must be +8613900000000,2026-11-25"]}) from None
