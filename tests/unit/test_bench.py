"""The benchmarks compare values of one round, and take no failed answer for a fast one."""

from pathlib import Path

import pytest
from sqlalchemy import text

from tests.bench.chart import draw, rows_of
from tests.bench.contexts import bench_context
from tests.bench.http_load import figures_of
from tests.bench.measures import Report

FULL = 2  # of PRAGMA synchronous
WRK = """
  Latency Distribution
     50%  112.50us
     75%    1.21s
     99%    1.29s
  600 requests in 2.05s, 387.76KB read
Requests/sec:    292.50
"""


def test_what_is_measured_waits_for_the_disk(tmp_path: Path) -> None:
    context = bench_context(f"sqlite:///{tmp_path / 'consent.db'}", tmp_path / "keys")
    query = text("PRAGMA synchronous")
    mode = context.runtime.database.read(lambda transaction: transaction.scalar(query))
    context.close()
    assert mode == FULL


def test_figures_of_wrk_are_read_in_milliseconds() -> None:
    figures = figures_of(WRK)
    assert (figures.a_second, figures.p50, figures.p99) == (292.5, 0.1125, 1290)
    assert figures.statuses == {200: 600}


@pytest.mark.parametrize(
    "line", ["  Non-2xx or 3xx responses: 1", "  Socket errors: connect 1", "ran out of bodies"]
)
def test_a_load_with_failures_has_no_figures(line: str) -> None:
    with pytest.raises(SystemExit):
        figures_of(f"{WRK}{line}\n")


def test_a_ratio_has_its_median_and_range_and_is_drawn_beside_its_bar() -> None:
    report = Report("wrk")
    for value, ratio in ((100.0, 0.5), (300.0, 0.9), (200.0, 0.6)):
        report.add("accepting on SQLite", "batches", value)
        report.add_ratio("accepting on SQLite", "batches", "of raw", ratio, 1.2)
        report.add_ratio("accepting on SQLite", "batches", "p99 of p50", 2.0, 3.0, is_upper=True)
    assert "| batches | 200/s (100 to 300) |" in report.tables()
    assert "| ... of raw (bar 1.2) | 0.60 (0.50 to 0.90) |" in report.tables()
    first, second = rows_of(report.to_json())
    assert (first.label, first.middle, first.high) == ("SQLite: batches, of raw", 0.5, 0.75)
    assert (second.figures, second.middle) == ("2.00 (≤ 3.0)", 1.5)
    assert "0.60 (≥ 1.2)" in draw(report.to_json())
