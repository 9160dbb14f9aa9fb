"""Write the tables of docs/refusals.md: `python -m tests.architecture.refusals_page`."""

import re
from pathlib import Path

from consent_tokens.web.reasons import FAILURES, REFUSALS

PAGE = Path(__file__).parents[2] / "docs" / "refusals.md"
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def tables() -> list[str]:
    """Return the two tables: what the relay answers, and other reasons of messages."""
    refusals = [
        f"| {place} | `{each.code}` | {each.status.value} | {each.explanation} |\n"
        for place, each in enumerate(REFUSALS, start=1)
    ]
    failures = [f"| `{each.code}` | {each.explanation} |\n" for each in FAILURES]
    return [
        "| | code | status | explanation |\n| --- | --- | --- | --- |\n" + "".join(refusals),
        "| code | explanation |\n| --- | --- |\n" + "".join(failures),
    ]


def with_tables(page: str) -> str:
    """Return the page with its tables replaced, in their order."""
    fresh = iter(tables())
    return TABLE.sub(lambda _match: next(fresh), page)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
