"""What the benchmarks measure: values of several rounds, each held against others of its round.

The machine's own speed drifts by a third within a minute. So everything is measured in each round,
one after the other, and a ratio compares values of one round; its median, lowest and highest count.
"""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Ratio:
    """A series held against another one of the same rounds; `bar` is what it must reach."""

    of: str  # its words in the table
    values: tuple[float, ...]
    bar: float | None
    is_upper: bool  # whether the bar is the most that it may be

    def __str__(self) -> str:
        low, *_, high = sorted(self.values) if len(self.values) > 1 else [*self.values] * 2
        return f"{median(self.values):.2f} ({low:.2f} to {high:.2f})"


@dataclass
class Series:
    """The values of one measure, by round."""

    name: str
    unit: str
    values: list[float] = field(default_factory=list)
    ratios: dict[str, Ratio] = field(default_factory=dict)

    def __str__(self) -> str:
        digits = ",.0f" if self.unit == "/s" else ".1f"
        texts = [format(value, digits) for value in (median(self.values), *sorted(self.values))]
        return f"{texts[0]}{self.unit} ({texts[1]} to {texts[-1]})"


@dataclass
class Report:
    """Groups of series, as they were measured."""

    generator: str
    groups: dict[str, dict[str, Series]] = field(default_factory=dict)

    def add(self, group: str, name: str, value: float, unit: str = "/s") -> None:
        """Add what was measured in this round."""
        series = self.groups.setdefault(group, {}).setdefault(name, Series(name, unit))
        series.values.append(value)

    def add_ratio(
        self, group: str, name: str, of: str, value: float, bar: float | None = None,
        *, is_upper: bool = False,
    ) -> None:  # fmt: skip
        """Add a ratio of this round to a series."""
        ratios = self.groups[group][name].ratios
        before = ratios[of].values if of in ratios else ()
        ratios[of] = Ratio(of, (*before, value), bar, is_upper)

    def tables(self) -> str:
        """Return the tables, as Markdown."""
        return "\n".join(
            f"| {title} | |\n| --- | ---: |\n{''.join(map(_rows, group.values()))}"
            for title, group in self.groups.items()
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything that was measured, round by round."""
        return {
            "machine": platform.machine(), "cores": os.cpu_count(),
            "python": platform.python_version(), "load_generator": self.generator,
            "groups": {
                title: [_series_json(each) for each in group.values()]
                for title, group in self.groups.items()
            },
        }  # fmt: skip

    def save(self, path: Path) -> None:
        """Write the JSON file that `tests.bench.chart` draws."""
        path.write_text(json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")


def _rows(series: Series) -> str:
    rows = [(series.name, str(series))]
    rows += [(f"... {each.of}{_bar(each)}", str(each)) for each in series.ratios.values()]
    return "".join(f"| {name} | {value} |\n" for name, value in rows)


def _bar(ratio: Ratio) -> str:
    if ratio.bar is None:
        return ""
    return f" (bar {'at most ' if ratio.is_upper else ''}{ratio.bar})"


def _series_json(series: Series) -> dict[str, Any]:
    return {
        "name": series.name, "unit": series.unit, "values": _rounded(series.values),
        "ratios": [
            {"of": each.of, "bar": each.bar, "is_upper": each.is_upper,
             "values": _rounded(each.values)}
            for each in series.ratios.values()
        ],
    }  # fmt: skip


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 3) for value in values]
