"""Rollups on the pages of both consoles: charts, comparisons, and the CSV file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from babel.dates import format_date
from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.evidence.rollups import Measure
from consent_tokens.services.rollups.figures import FOUR_WEEKS, Figures, per_million
from consent_tokens.web.consoles.charts import Chart, Rank, Series, bar_chart, line_chart, ranking
from consent_tokens.web.consoles.reason_labels import loss_label, refusal_advice, refusal_label
from consent_tokens.web.consoles.tables import Column, csv_of
from consent_tokens.web.consumer.locale import locale_of_dates

TODAY: Final = 1  # days

Count = Mapping[Measure, int]


@dataclass(frozen=True, slots=True)
class Charts:
    """The charts of one subject over four weeks."""

    texts: Chart
    stops: Chart
    complaints: Chart
    consents: Chart


def days_asked_for() -> int:
    """Return of how many days the address asks for figures: today alone, or four weeks."""
    return FOUR_WEEKS if request.args.get("days") == str(FOUR_WEEKS) else TODAY


def charts_of(figures: Figures) -> Charts:
    """Return the charts of figures of several days."""
    labels = [day_and_month(each) for each in figures.days]

    def values(measure: Measure) -> list[int]:
        return [each[measure] for each in figures.by_day]

    def rates(title: str, measure: Measure, kind: str) -> Chart:
        of_days = [round(rate(each, measure) or 0, 1) for each in figures.by_day]
        of_all = round(rate(figures.total, measure) or 0, 1)
        return line_chart(
            title, labels, [Series(str(_("per million texts")), of_days, kind, of_all)]
        )

    return Charts(
        texts=line_chart(
            _("Texts"),
            labels,
            [
                Series(str(_("accepted")), values(Measure.ACCEPTED)),
                Series(str(_("delivered")), values(Measure.DELIVERED), "b"),
            ],
        ),
        stops=rates(_("Stops per million texts"), Measure.STOPS, "a"),
        complaints=rates(_("Complaints per million texts"), Measure.COMPLAINTS, "c"),
        consents=bar_chart(
            _("Consents"),
            labels,
            [
                Series(str(_("gained")), values(Measure.GAINED)),
                Series(str(_("lost")), values(Measure.LOST), "c"),
            ],
        ),
    )


def rate(counts: Count, measure: Measure) -> float | None:
    """Return how often something happened for a million texts that were sent; None without any."""
    return per_million(counts[measure], counts[Measure.SENT])


def share(part: int, whole: int) -> float | None:
    """Return a share in per cent; None of nothing."""
    return round(100 * part / whole, 1) if whole else None


def day_and_month(day: date) -> str:
    """Return a date without its year."""
    return str(format_date(day, format="MMM d", locale=locale_of_dates()))


def days_csv(figures: Figures) -> Response:
    """Return the counts of each day as a CSV file."""
    columns = [
        Column[tuple[date, Count]]("day", _("Day (UTC)"), lambda row: row[0].isoformat()),
        *(_measure_column(measure) for measure in Measure),
    ]
    rows = list(zip(figures.days, figures.by_day, strict=True))
    return csv_of("days", columns, rows)


def figures_csv(figures: Figures) -> Response:
    """Return the CSV file that the address asks for: why, or the counts of each day."""
    if request.args.get("file") == "reasons":
        return _reasons_csv(figures)
    return days_csv(figures)


def _reasons_csv(figures: Figures) -> Response:
    """Return why texts were refused and consents lost as a CSV file."""
    rows = [
        (measure_label(measure), code, label(code), count)
        for measure, reasons, label in (
            (Measure.REFUSED, figures.refused, refusal_label),
            (Measure.LOST, figures.lost, loss_label),
        )
        for code, count in sorted(reasons.items())
    ]
    columns = [
        Column[tuple[str, str, str, int]]("what", _("What"), lambda row: row[0]),
        Column[tuple[str, str, str, int]]("code", _("Reason code"), lambda row: row[1]),
        Column[tuple[str, str, str, int]]("reason", _("Reason"), lambda row: row[2]),
        Column[tuple[str, str, str, int]]("count", _("Number"), lambda row: row[3]),
    ]
    return csv_of("reasons", columns, rows)


def _measure_column(measure: Measure) -> Column[tuple[date, Count]]:
    return Column(measure.value, measure_label(measure), lambda row: row[1][measure], True)


def measure_label(measure: Measure) -> str:
    """Return what is counted, in a word."""
    labels: dict[Measure, str] = {
        Measure.ACCEPTED: _("Texts accepted"),
        Measure.REFUSED: _("Refused"),
        Measure.SENT: _("Sent"),
        Measure.DELIVERED: _("Delivered"),
        Measure.UNDELIVERED: _("Not delivered"),
        Measure.STOPS: _("Stops"),
        Measure.COMPLAINTS: _("Complaints"),
        Measure.GAINED: _("Consents gained"),
        Measure.LOST: _("Consents lost"),
    }
    return str(labels[measure])


def refusal_ranking(refused: Mapping[str, int]) -> list[Rank]:
    """Return the most frequent reasons of refusals, in words."""
    return ranking({refusal_label(code): count for code, count in refused.items()})


def loss_ranking(lost: Mapping[str, int]) -> list[Rank]:
    """Return what ended consents most often, in words."""
    return ranking({loss_label(code): count for code, count in lost.items()})


def _of_million(counts: Count, measure: Measure) -> float | None:
    found = rate(counts, measure)
    return None if found is None else round(found, 1)


FILTERS: Final[dict[str, Callable[..., object]]] = {
    "of_million": _of_million,
    "share_of": share,
    "charts": charts_of,
    "refusal_ranking": refusal_ranking,
    "refusal_label": refusal_label,
    "refusal_advice": refusal_advice,
}
