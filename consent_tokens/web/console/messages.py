"""`/console/messages`: find a message, and see the evidence on it."""

from datetime import UTC, datetime
from typing import Final

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError
from consent_tokens.services.supervision.message_view import MessageView
from consent_tokens.services.supervision.messages import (
    FoundMessages,
    MessageSearch,
    read_message,
    search_messages,
)
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page
from consent_tokens.web.consoles.record_labels import message_status_name, purpose_or_code
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import (
    Column,
    TableQuery,
    TableView,
    csv_response,
    table_query,
)
from consent_tokens.web.request_context import runtime

bp = console_blueprint("messages", OPERATOR)

MAX_FIELD: Final = 100  # characters
MAX_TIME: Final = 16  # characters of 2021-11-11T12:00
FIELDS: Final = ("id", "merchant", "reference", "reason", "from", "to", "before")
NOTHING: Final = FoundMessages(messages=(), merchants={}, read=0)


@bp.get("/messages")
def show() -> Response:
    """Find messages; with nothing entered, list those of the last day."""
    entered = {name: _entered(name) for name in FIELDS}
    errors: dict[str, str] = {}
    times = {name: _time(entered[name]) for name in ("from", "to")}
    for name, time in times.items():
        if entered[name] and time is None:
            errors[name] = _("This is no time. Write it like 2026-11-11T20:00.")
    found = NOTHING
    try:
        found = found if errors else search_messages(runtime(), _search(entered, times))
    except InvalidError:
        errors["merchant"] = _("Enter the merchant too: references are the merchant’s own.")
    view = _view(found)
    if view.query.is_csv and not errors:
        return csv_response("messages", view)
    return page(
        "console/messages.html",
        found=found,
        view=view,
        entered=entered,
        errors=errors,
    )


def _entered(name: str) -> str:
    return request.args.get(name, "").replace("\0", "").strip()[:MAX_FIELD]


def _search(entered: dict[str, str], times: dict[str, datetime | None]) -> MessageSearch:
    return MessageSearch(
        message_id=entered["id"],
        merchant_id=entered["merchant"],
        reference=entered["reference"],
        reason=entered["reason"],
        since=times["from"],
        until=times["to"],
        before=entered["before"],
    )


def _time(text: str) -> datetime | None:
    """Return a time of UTC as `datetime-local` has it; None if it is none."""
    try:
        found = datetime.fromisoformat(text[:MAX_TIME])
    except ValueError:
        return None
    is_plausible = found.tzinfo is None and found.year in range(2000, 2200)
    return found.replace(tzinfo=UTC) if is_plausible else None


def _view(found: FoundMessages) -> TableView[MessageView]:
    names = found.merchants
    columns = [
        Column[MessageView]("accepted", _("Accepted"), lambda each: each.accepted_at,
                            is_sortable=False),
        Column[MessageView]("id", _("Message"), lambda each: each.id, is_sortable=False),
        Column[MessageView]("merchant", _("Merchant"),
                            lambda each: names.get(each.merchant_id or "", ""),
                            is_sortable=False),
        Column[MessageView]("purpose", _("Purpose"), lambda each: purpose_or_code(each.purpose),
                            is_sortable=False),
        Column[MessageView]("reference", _("Reference"), lambda each: each.reference,
                            is_sortable=False),
        Column[MessageView]("status", _("Status"), lambda each: message_status_name(each.status),
                            is_sortable=False),
        Column[MessageView]("reason", _("Reason"), lambda each: each.reason, is_sortable=False),
    ]  # fmt: skip
    query: TableQuery = table_query(sort="accepted", columns=columns)
    return TableView(columns=columns, rows=found.messages, total=len(found.messages), query=query)


@bp.get("/messages/<message_id>")
def show_message(message_id: str) -> Response:
    """Show the evidence on one message."""
    return page("console/message.html", found=read_message(runtime(), message_id))
