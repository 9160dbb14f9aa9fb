"""Write the table of retention in docs: `python -m tests.architecture.retention_table`."""

import re
from datetime import timedelta
from pathlib import Path

from consent_tokens.app_context import DEFAULTS
from consent_tokens.services.retention.kinds import KINDS, Kind

PAGE = Path(__file__).parents[2] / "docs" / "data-model.md"
COLUMNS = ("kind", "what", "kept for", "from when on", "why", "tables")
HEAD = f"| {' | '.join(COLUMNS)} |\n| {' | '.join('---' for _ in COLUMNS)} |\n"
TABLE = re.compile(re.escape(HEAD) + r"(?:^\|.*\n)+", re.MULTILINE)


def table() -> str:
    """Return the table of kinds, with the default settings."""
    return HEAD + "".join(map(_line, KINDS))


def _line(kind: Kind) -> str:
    tables = ", ".join(f"`{name}`" for name in kind.tables)
    period = _in_words(kind.kept_for(DEFAULTS.consent))
    return f"| {kind.name} | {kind.what} | {period} | {kind.since} | {kind.basis} | {tables} |\n"


def _in_words(period: timedelta | None) -> str:
    if period is None:
        return ""
    minutes = int(period.total_seconds()) // 60
    for size, unit in ((1440, "days"), (60, "hours"), (1, "minutes")):
        if minutes % size == 0:
            count = minutes // size
            return f"{count} {unit if count > 1 else unit.removesuffix('s')}"
    raise AssertionError(period)


if __name__ == "__main__":
    page = PAGE.read_text("utf-8")
    PAGE.write_text(TABLE.sub(lambda _match: table(), page), "utf-8")
