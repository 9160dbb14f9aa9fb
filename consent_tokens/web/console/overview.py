"""`/console`: what needs a person now, and the figures of today and of four weeks."""

from flask import Response, url_for

from consent_tokens.evidence.rollups import Measure
from consent_tokens.services.people.overview import operator_overview
from consent_tokens.services.rollups.figures import ALL_MERCHANTS, read_figures
from consent_tokens.services.supervision.overview import read_supervision
from consent_tokens.services.supervision.pauses import list_pauses
from consent_tokens.web.consoles.figures import (
    charts_of,
    days_asked_for,
    figures_csv,
    loss_ranking,
    refusal_ranking,
)
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import is_csv_asked_for
from consent_tokens.web.request_context import runtime

bp = console_blueprint("overview", OPERATOR)


@bp.get("", endpoint="show")
def show() -> Response:
    """Show the overview."""
    if is_csv_asked_for():
        return figures_csv(read_figures(runtime(), ALL_MERCHANTS))
    days = days_asked_for()
    found = operator_overview(runtime())
    seen = read_supervision(runtime(), days)
    pages = {
        item.waiting: url_for(item.endpoint)
        for group in OPERATOR.navigation
        for item in group.items
        if item.waiting
    }
    return page(
        "console/overview.html",
        overview=found,
        queued=sum(found.queue.values()),
        pages=pages,
        pauses=list_pauses(runtime()),
        seen=seen,
        figures=seen.figures,
        days=days,
        charts=charts_of(seen.four_weeks),
        refusals=refusal_ranking(seen.figures.refused),
        lost=loss_ranking(seen.figures.lost),
        M=Measure,
    )


@bp.get("/figures/<subject_id>", endpoint="export")
def export(subject_id: str) -> Response:
    """Return the figures of a merchant, sender or template over four weeks as a CSV file."""
    return figures_csv(read_figures(runtime(), subject_id))
