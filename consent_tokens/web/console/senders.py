"""`/console/senders`: ports by carrier with the end of their validity, and the carrier's export."""

from datetime import timedelta
from typing import Final

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError
from consent_tokens.services.admission.sender_list import (
    CARRIER_COLUMNS,
    NO_CARRIER,
    ListedSender,
    SenderStatus,
    carrier_rows,
    find_senders,
    list_carriers,
)
from consent_tokens.services.admission.senders import revoke_sender
from consent_tokens.web.console.lists import list_page
from consent_tokens.web.console.reasons import reason_options, stated_reason
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.labels import standing_label
from consent_tokens.web.consoles.pages import redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import (
    Column,
    TableQuery,
    TableView,
    csv_response,
    table_query,
)
from consent_tokens.web.request_context import runtime

bp = console_blueprint("senders", OPERATOR)
SOON: Final = timedelta(days=30)  # before the end of a validity it is marked


@bp.get("/senders")
def show() -> Response:
    """List the senders of all merchants."""
    columns = [
        Column[ListedSender]("port", _("Port"), lambda each: each.sender.source),
        Column[ListedSender]("signature", _("Signature"), lambda each: each.sender.signature),
        Column[ListedSender]("merchant", _("Merchant"), lambda each: each.merchant_name),
        Column[ListedSender]("carrier", _("Carrier"), lambda each: each.sender.carrier),
        Column[ListedSender](
            "status", _("Status"), lambda each: standing_label(each.status), is_sortable=False
        ),
        Column[ListedSender]("valid_until", _("Valid until"), lambda each: each.sender.valid_until),
        Column[ListedSender]("admitted", _("Admitted"), lambda each: each.sender.admitted_at),
    ]
    now = runtime().clock.now()
    return list_page(
        "console/senders.html",
        "senders",
        columns,
        table_query(sort="carrier", columns=columns, more=("carrier", "status")),
        lambda wanted: find_senders(runtime(), wanted),
        carriers=[
            *((each, each) for each in list_carriers(runtime())),
            (NO_CARRIER, _("No carrier named")),
        ],
        statuses=[(each.value, standing_label(each)) for each in SenderStatus],
        now=now,
        soon=now + SOON,
        revoke_reasons=reason_options("revoke"),
    )


@bp.get("/senders/export")
def export() -> Response:
    """Return the senders in use as CSV, as carriers ask for them; of one carrier if named."""
    carrier = request.args.get("carrier", "")[:60] or None
    columns = [
        Column[tuple[str, ...]](name, name, lambda row, place=place: row[place])  # type: ignore[misc]  # a default binds the place
        for place, name in enumerate(CARRIER_COLUMNS)
    ]
    rows = carrier_rows(runtime(), carrier)
    query = TableQuery(sort="", is_descending=False, filter="", page=1, is_csv=True)
    return csv_response(
        "carrier-senders", TableView(columns=columns, rows=rows, total=len(rows), query=query)
    )


@bp.post("/senders/<sender_id>/revoke")
def revoke(sender_id: str) -> Response:
    """Revoke a sender at once."""
    try:
        revoked = revoke_sender(runtime(), person().actor, sender_id, stated_reason("revoke"))
    except InvalidError:
        set_done(_("Nothing was revoked: choose a reason, or write one."))
        return redirect_to("console_senders.show", q=request.form.get("port", "")[:32])
    set_done(_("%(sender)s was revoked. Its port rests.", sender=revoked.source))
    return redirect_to("console_senders.show", q=revoked.source)
