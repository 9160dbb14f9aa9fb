"""`/console/senders`: ports by carrier with the end of their validity, and the carrier's export."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError
from consent_tokens.services.admission import pacing_decisions
from consent_tokens.services.admission.merchant_file import operator_names
from consent_tokens.services.admission.sender_list import (
    CARRIER_COLUMNS,
    NO_CARRIER,
    ListedSender,
    SenderStatus,
    carrier_rows,
    find_senders,
    list_carriers,
    read_sender,
)
from consent_tokens.services.admission.senders import revoke_sender
from consent_tokens.services.rollups.figures import read_figures
from consent_tokens.web.console.lists import list_page
from consent_tokens.web.console.reasons import reason_errors, reason_options, stated_reason
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.labels import standing_label
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import Column, csv_of, table_query
from consent_tokens.web.request_context import runtime

bp = console_blueprint("senders", OPERATOR)
ONE: Final = "/senders/<sender_id>"
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
    return csv_of("carrier-senders", columns, rows)


@bp.get(ONE)
def show_one(sender_id: str) -> Response:
    """Show a sender."""
    return _sender_page(sender_id, {})


def _sender_page(sender_id: str, errors: Mapping[str, str]) -> Response:
    return page(
        "console/sender.html",
        errors=errors,
        file=read_sender(runtime(), sender_id),
        figures=read_figures(runtime(), sender_id),
        names=operator_names(runtime()),
        reason_options=reason_options,
    )


@bp.post(f"{ONE}/revoke")
def revoke(sender_id: str) -> Response:
    """Revoke a sender at once."""
    try:
        revoked = revoke_sender(runtime(), person().actor, sender_id, stated_reason("revoke"))
    except InvalidError as error:
        return _sender_page(sender_id, reason_errors(error, "revoke"))
    set_done(_("%(sender)s was revoked. Its port rests.", sender=revoked.source))
    return redirect_to("console_senders.show_one", sender_id=sender_id)


@bp.post(f"{ONE}/pacing/release")
def release_pacing(sender_id: str) -> Response:
    """Let what is held back of a sender's free texts go on, with the next part."""
    try:
        reason = stated_reason("release_pacing")
        pacing_decisions.release(runtime(), person().actor, sender_id, reason=reason)
    except InvalidError as error:
        return _sender_page(sender_id, reason_errors(error, "release_pacing"))
    set_done(_("The next part may leave."))
    return redirect_to("console_senders.show_one", sender_id=sender_id)


@bp.post(f"{ONE}/pacing/drop")
def drop_pacing(sender_id: str) -> Response:
    """Refuse what is held back of a sender's free texts, until the day of UTC ends."""
    try:
        reason = stated_reason("drop_pacing")
        pacing_decisions.drop(runtime(), person().actor, sender_id, reason=reason)
    except InvalidError as error:
        return _sender_page(sender_id, reason_errors(error, "drop_pacing"))
    set_done(_("What was held back is refused."))
    return redirect_to("console_senders.show_one", sender_id=sender_id)
