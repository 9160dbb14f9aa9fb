"""Print the results of commands: tables for people, JSON for programs."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_rows(rows: Sequence[Mapping[str, Any]], *, in_json: bool) -> None:
    """Print rows as a table, or as a JSON list."""
    if in_json:
        click.echo(json.dumps(list(rows), ensure_ascii=False))
    elif not rows:
        click.echo("none")
    else:
        names = list(rows[0])
        cells = [[str(row[name]) for name in names] for row in rows]
        widths = [max(map(_width, column)) for column in zip(names, *cells, strict=True)]
        for line in [names, *cells]:
            padded = [
                cell + " " * (width - _width(cell))
                for cell, width in zip(line, widths, strict=True)
            ]
            click.echo("  ".join(padded).rstrip())


def print_one(row: Mapping[str, Any], *, in_json: bool) -> None:
    """Print one row: a line for each member, or a JSON object."""
    if in_json:
        click.echo(json.dumps(row, ensure_ascii=False))
    else:
        for name, value in row.items():
            click.echo(f"{name}: {value}")


def _width(text: str) -> int:
    """Return how many columns a terminal gives a text: two for each wide character."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
