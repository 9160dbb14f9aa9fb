"""A chart of a run of `make bench`: `python -m tests.bench.chart RUN.json CHART.svg`.

Each ratio that has a bar is a row. Its length is the median as a part of the bar, so that the line
at 1 is what each must reach; the whisker spans the lowest and the highest round. Of ratios that
must stay below their bar, the inverse is drawn.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import Any, Final

ACCEPTING: Final = "accepting on "  # how the titles of groups begin that several databases have
LABELS, WIDTH, FIGURES, ROW, TOP = 520, 300, 150, 24, 34  # pixels
MOST: Final = 2.0  # bars; what is longer is cut off here
REACHED, MISSED, INK, LINE = "#2f6f4f", "#b4532a", "#1d1d1f", "#8a8a8f"


@dataclass(frozen=True)
class Row:
    """A ratio, with its lowest and highest round, as parts of its bar."""

    label: str
    figures: str
    middle: float
    low: float
    high: float


def rows_of(run: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the ratios that have a bar, in the order of the tables."""
    for title, group in run["groups"].items():
        for series in group:
            for ratio in series["ratios"]:
                if ratio["bar"] is not None:
                    yield _row(title, series["name"], ratio)


def _row(title: str, name: str, ratio: Mapping[str, Any]) -> Row:
    bar, values = ratio["bar"], ratio["values"]
    sign = "≤" if ratio["is_upper"] else "≥"
    parts = sorted(bar / value if ratio["is_upper"] else value / bar for value in values)
    label = f"{name}, {ratio['of']}"
    if title.startswith(ACCEPTING):
        label = f"{title.removeprefix(ACCEPTING)}: {label}"
    return Row(
        label,
        f"{median(values):.2f} ({sign} {bar})",
        median(parts),
        parts[0],
        parts[-1],
    )


def draw(run: Mapping[str, Any]) -> str:
    """Return the chart as SVG."""
    rows = list(rows_of(run))
    width, height = LABELS + WIDTH + FIGURES, TOP + ROW * len(rows) + 10
    at_bar = LABELS + WIDTH / MOST
    drawn = "".join(_draw_row(row, TOP + ROW * place) for place, row in enumerate(rows))
    caption = f"{run['cores']} cores, {run['machine']}, Python {run['python']}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f' font-family="sans-serif" font-size="12" fill="{INK}">'
        f"<title>Ratios of make bench, as parts of their bars</title>"
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
        f'<text x="8" y="20" font-weight="bold">{escape(caption)}</text>'
        f'<text x="{at_bar}" y="20" text-anchor="middle">bar</text>{drawn}'
        f'<path d="M{at_bar} 26V{height - 6}" stroke="{INK}" stroke-dasharray="3 3"/></svg>\n'
    )


def _draw_row(row: Row, top: int) -> str:
    middle, low, high = (
        LABELS + WIDTH * min(part, MOST) / MOST for part in (row.middle, row.low, row.high)
    )
    colour, at = (REACHED if row.middle >= 1 else MISSED), top + ROW / 2
    return (
        f'<text x="{LABELS - 8}" y="{at + 4}" text-anchor="end">{escape(row.label)}</text>'
        f'<rect x="{LABELS}" y="{top + 5}" width="{middle - LABELS:.1f}" height="{ROW - 10}"'
        f' fill="{colour}"/>'
        f'<path d="M{low:.1f} {at}H{high:.1f}M{low:.1f} {at - 4}v8M{high:.1f} {at - 4}v8"'
        f' stroke="{LINE}" stroke-width="2" fill="none"/>'
        f'<text x="{LABELS + WIDTH + 8}" y="{at + 4}">{escape(row.figures)}</text>'
    )


def main(arguments: list[str]) -> None:
    source, target = map(Path, arguments)
    target.write_text(draw(json.loads(source.read_text("utf-8"))), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
