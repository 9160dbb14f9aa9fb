"""`/console`: what needs a person now, and the counts of today."""

from flask import Response, current_app, url_for

from consent_tokens.services.people.overview import operator_overview
from consent_tokens.services.people.waiting import count_waiting
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
        if item.waiting and item.endpoint in current_app.view_functions
    }
    return page(
        "console/overview.html",
        overview=found,
        refused=sum(found.refusals.values()),
        queued=sum(found.queue.values()),
        waiting=[
            (kind, count, pages.get(kind))
            for kind, count in count_waiting(runtime()).items()
            if count
        ],
        refusals=ranking(found.refusals),
    )
