"""Charts as inline SVG: from values to coordinates, with all that the macro `chart` shows.

A chart has a text for screen readers with totals, a legend, a title on each point, and a table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 112  # of the plot; dates are below
TOP: Final = 8


@dataclass(frozen=True, slots=True)
class Series:
    """Values over time under one name, which is translated."""

    name: str
    values: Sequence[float]
    kind: str = "a"  # class of the stylesheet: a accent, b grey, c red
    total: float | None = None  # of the legend; None: the sum


@dataclass(frozen=True, slots=True)
class Point:
    """One value where it is drawn, with the text that shows on hovering."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """One series as it is drawn."""

    name: str
    kind: str
    points: Sequence[Point]
    total: float

    @property
    def path(self) -> str:
        """Return the points of an SVG polyline."""
        return " ".join(f"{each.x:g},{each.y:g}" for each in self.points)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, for the macro `chart`: lines or bars, and the rows of its table."""

    title: str
    labels: Sequence[str]
    lines: Sequence[Line]
    is_bars: bool
    bar_width: float
    top: float  # the value of the upper axis
    values: Sequence[Sequence[float]]  # of each series

    @property
    def rows(self) -> list[tuple[str, list[float]]]:
        """Return the table behind the chart: a label and a value of each series."""
        return [
            (label, [self.values[line][place] for line in range(len(self.lines))])
            for place, label in enumerate(self.labels)
        ]


def line_chart(title: str, labels: Sequence[str], series: Sequence[Series]) -> Chart:
    """Return a chart of lines, each value at its label."""
    return _chart(title, labels, series, is_bars=False)


def bar_chart(title: str, labels: Sequence[str], series: Sequence[Series]) -> Chart:
    """Return a chart of bars, several series side by side."""
    return _chart(title, labels, series, is_bars=True)


def _chart(title: str, labels: Sequence[str], series: Sequence[Series], *, is_bars: bool) -> Chart:
    top = nice_top(max((max(each.values, default=0) for each in series), default=0))
    slot = WIDTH / max(1, len(labels) if is_bars else len(labels) - 1)
    bar = slot * 0.7 / max(1, len(series))
    lines = [
        Line(
            each.name,
            each.kind,
            _points(labels, each, top, slot, place * bar * is_bars),
            sum(each.values) if each.total is None else each.total,
        )
        for place, each in enumerate(series)
    ]
    return Chart(
        title, labels, lines, is_bars, round(bar, 1), top, tuple(tuple(e.values) for e in series)
    )


def _points(
    labels: Sequence[str], series: Series, top: float, slot: float, shift: float
) -> list[Point]:
    return [
        Point(
            round(place * slot + shift, 1),
            round(TOP + (HEIGHT - TOP) * (1 - value / top), 1),
            f"{label}: {number(value)} {series.name}",
        )
        for place, (label, value) in enumerate(zip(labels, series.values, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class Rank:
    """A value of one category, and the length of its bar in per cent of the longest."""

    label: str
    value: float
    percent: float


def ranking(values: Mapping[str, float], limit: int = 10) -> list[Rank]:
    """Return the greatest values with their labels, for the macro `ranking`; greatest first."""
    greatest = sorted(values.items(), key=lambda each: (-each[1], each[0]))[:limit]
    longest = max((value for _label, value in greatest), default=0) or 1
    return [Rank(label, value, round(100 * value / longest, 1)) for label, value in greatest]


def nice_top(most: float) -> float:
    """Return the value of the upper axis: 1, 2 or 5 times a power of ten, at least `most`."""
    step = 1.0
    while True:
        for factor in (1, 2, 5):
            if step * factor >= most:
                return step * factor
        step *= 10


def number(value: float) -> str:
    """Return a number for people: groups of three digits, one decimal where it is no whole one."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
