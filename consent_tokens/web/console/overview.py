"""`/console`: what needs a person now, and the counts of today."""

from typing import Final

from flask import Response, current_app, url_for
from flask_babel import gettext as _

from consent_tokens.services.people.overview import operator_overview
from consent_tokens.services.people.waiting import count_waiting
from consent_tokens.web.consoles.charts import Series, bar_chart
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.request_context import runtime

bp = console_blueprint("overview", OPERATOR)

# where what waits is decided; a page that is not there yet has no link
PAGES: Final = {
    "applications": "console_applications.show",
    "senders": "console_senders.show",
    "templates": "console_templates.show",
    "complaints": "console_complaints.show",
    "proposals": "console_proposals.show",
}
MAX_REASONS: Final = 8  # bars of the chart


@bp.get("", endpoint="show")
def show() -> Response:
    """Show the overview."""
    found = operator_overview(runtime())
    reasons = sorted(found.refusals.items(), key=lambda each: -each[1])[:MAX_REASONS]
    return page(
        "console/overview.html",
        overview=found,
        refused=sum(found.refusals.values()),
        queued=sum(found.queue.values()),
        waiting=[
            (name, count, url_for(PAGES[name]) if PAGES[name] in current_app.view_functions else "")
            for name, count in count_waiting(runtime()).items()
            if count
        ],
        refusals=bar_chart(
            _("Refused today, by reason"),
            [reason for reason, _count in reasons],
            [Series(_("refused"), [count for _reason, count in reasons], "c")],
        ),
    )
