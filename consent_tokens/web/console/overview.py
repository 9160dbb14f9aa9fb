"""`/console`: what needs a person now, and the counts of today."""

from flask import Response, url_for

from consent_tokens.services.people.overview import operator_overview
from consent_tokens.services.supervision.pauses import list_pauses
from consent_tokens.web.consoles.charts import ranking
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.request_context import runtime

bp = console_blueprint("overview", OPERATOR)


@bp.get("", endpoint="show")
def show() -> Response:
    """Show the overview."""
    found = operator_overview(runtime())
    pages = {
        item.waiting: url_for(item.endpoint)
        for group in OPERATOR.navigation
        for item in group.items
        if item.waiting
    }
    return page(
        "console/overview.html",
        overview=found,
        refused=sum(found.refusals.values()),
        queued=sum(found.queue.values()),
        pages=pages,
        refusals=ranking(found.refusals),
        pauses=list_pauses(runtime()),
    )
