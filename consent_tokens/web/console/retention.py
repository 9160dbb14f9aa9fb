"""`/console/retention`: how long data is kept, what is due, and what was deleted."""

from typing import Final

from flask import Response
from flask_babel import gettext as _

from consent_tokens.services.retention.report import KindReport, report_retention
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import Column, csv_response, table_of, table_query
from consent_tokens.web.request_context import app_context, runtime

bp = console_blueprint("retention", OPERATOR)

MAX_COUNTED: Final = 10_000  # rows of a kind that are due


@bp.get("/retention")
def show() -> Response:
    """List the kinds of data."""
    columns = [
        Column[KindReport]("kind", _("Kind"), lambda each: each.kind.name),
        Column[KindReport]("kept", _("Kept for days"), _days, is_number=True),
        Column[KindReport]("due", _("Due"), lambda each: each.due, is_number=True),
        Column[KindReport](
            "deleted",
            _("Deleted by the last run"),
            lambda each: each.run.deleted if each.run else None,
            is_number=True,
        ),
        Column[KindReport](
            "run", _("Last run"), lambda each: each.run.ran_at if each.run else None
        ),
    ]
    query = table_query(sort="-due", columns=columns)
    view = table_of(
        report_retention(runtime(), app_context().consent, limit=MAX_COUNTED + 1), columns, query
    )
    if query.is_csv:
        return csv_response("retention", view)
    return page("console/retention.html", view=view, days=_days, max_counted=MAX_COUNTED)


def _days(found: KindReport) -> float | None:
    kept = found.kept_for
    return None if kept is None else round(kept.total_seconds() / 86_400, 2)
