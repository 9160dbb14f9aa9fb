"""`/merchant`: live consents, and what was refused today."""

from flask import Response
from flask_babel import gettext as _

from consent_tokens.services.people.overview import merchant_overview
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page
from consent_tokens.web.consoles.session import person
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.consoles.tables import Column, csv_response, table_of, table_query
from consent_tokens.web.request_context import runtime

bp = console_blueprint("overview", MERCHANT)

Refusal = tuple[str, int]  # a reason, and how many messages


@bp.get("", endpoint="show")
def show() -> Response:
    """Show the overview."""
    found = merchant_overview(runtime(), merchant_id())
    columns = [
        Column[Refusal]("reason", _("Reason"), lambda each: each[0]),
        Column[Refusal]("count", _("Texts"), lambda each: each[1], is_number=True),
    ]
    query = table_query(sort="-count", columns=columns)
    refusals = table_of(found.refusals.items(), columns, query)
    if query.is_csv:
        return csv_response("refusals", refusals)
    return page(
        "merchant/overview.html",
        overview=found,
        refused=sum(found.refusals.values()),
        refusals=refusals,
    )


def merchant_id() -> str:
    """Return the merchant of whoever is signed in: no address or form names one."""
    found = person().merchant_id
    if found is None:
        raise ValueError("somebody of no merchant in the merchant console")
    return found
