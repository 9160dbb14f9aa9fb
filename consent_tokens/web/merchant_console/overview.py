"""`/merchant`: consents gained and lost, delivery, refusals with what to do, complaints, caps."""

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.evidence.rollups import Measure
from consent_tokens.services.consents.cap_use import read_cap_use
from consent_tokens.services.people.first_steps import read_first_steps
from consent_tokens.services.people.overview import count_consents
from consent_tokens.services.rollups.figures import FOUR_WEEKS, read_periods
from consent_tokens.web.consoles.figures import charts_of, days_asked_for, days_csv, loss_ranking
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page
from consent_tokens.web.consoles.reason_labels import refusal_advice, refusal_label
from consent_tokens.web.consoles.session import person
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.consoles.tables import Column, csv_response, table_of, table_query
from consent_tokens.web.request_context import runtime

bp = console_blueprint("overview", MERCHANT)

Refusal = tuple[str, int]  # a reason, and how many messages
DAYS_FILE = "days"  # value of `file` that asks for the counts of each day instead of the reasons


@bp.get("", endpoint="show")
def show() -> Response:
    """Show the overview."""
    days = days_asked_for()
    figures, four_weeks = read_periods(
        runtime(), merchant_id(), [days, FOUR_WEEKS], for_merchant=True
    )
    columns = [
        Column[Refusal]("reason", _("Reason"), lambda each: refusal_label(each[0])),
        Column[Refusal]("count", _("Texts"), lambda each: each[1], is_number=True),
        Column[Refusal](
            "advice", _("What to do"), lambda each: refusal_advice(each[0]), is_sortable=False
        ),
    ]
    query = table_query(sort="-count", columns=columns)
    if query.is_csv and request.args.get("file") == DAYS_FILE:
        return days_csv(four_weeks)
    refusals = table_of(figures.refused.items(), columns, query)
    if query.is_csv:
        return csv_response("refusals", refusals)
    consents = count_consents(runtime(), merchant_id())
    steps = None if consents.live else read_first_steps(runtime(), merchant_id())
    return page(
        "merchant/overview.html",
        consents=consents,
        steps=None if steps is None or steps.is_done else steps,
        cap_use=read_cap_use(runtime(), merchant_id()),
        figures=figures,
        days=days,
        charts=charts_of(four_weeks),
        refusals=refusals,
        lost=loss_ranking(figures.lost),
        M=Measure,
    )


def merchant_id() -> str:
    """Return the merchant of whoever is signed in: no address or form names one."""
    found = person().merchant_id
    if found is None:
        raise ValueError("somebody of no merchant in the merchant console")
    return found
