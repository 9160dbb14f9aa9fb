"""`/console/webhooks`: what could not be delivered to merchants' webhooks, and its replay."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from flask import Response, request
from flask_babel import gettext as _
from flask_babel import ngettext

from consent_tokens.services.supervision import webhook_failures
from consent_tokens.services.supervision.webhook_failures import (
    FailingEvent,
    FailureSearch,
    WebhookEventStatus,
    WebhookEventType,
)
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.record_labels import webhook_answer
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import (
    Column,
    TableView,
    Value,
    csv_response,
    table_query,
)
from consent_tokens.web.request_context import runtime

bp = console_blueprint("webhooks", OPERATOR)

Row = tuple[str, FailingEvent]
MAX_FIELD: Final = 100  # characters
MAX_EXPORTED: Final = 10_000  # rows of a CSV file
FILTERS: Final = ("merchant", "event", "status")


@bp.get("/webhooks")
def show() -> Response:
    """List the events whose last attempt failed."""
    columns = _columns()
    query = table_query(sort="created", columns=columns, more=FILTERS)
    found = webhook_failures.list_failing(
        runtime(),
        _search(query.more),
        before=request.args.get("before", "")[:MAX_FIELD],
        limit=MAX_EXPORTED if query.is_csv else webhook_failures.PAGE_SIZE,
    )
    view = TableView(columns=columns, rows=found.events, total=len(found.events), query=query)
    if query.is_csv:
        address = _column("url", _("Address"), lambda each: each.url)
        return csv_response("failing-webhooks", replace(view, columns=[*columns, address]))
    return page(
        "console/webhooks.html",
        view=view,
        next=found.next,
        event_types=[each.value for each in WebhookEventType],
        statuses=[
            (WebhookEventStatus.FAILED.value, _("Given up")),
            (WebhookEventStatus.PENDING.value, _("Tried again")),
        ],
    )


@bp.post("/webhooks/replay")
def replay() -> Response:
    """Deliver the events again that are ticked."""
    chosen = [each[:MAX_FIELD] for each in request.form.getlist("event_id")]
    count = webhook_failures.replay(runtime(), person().actor, chosen[: webhook_failures.PAGE_SIZE])
    _set_replayed(count)
    return _back()


@bp.post("/webhooks/replay-all")
def replay_all() -> Response:
    """Deliver all events again that were given up, of those that the list is filtered by."""
    count = webhook_failures.replay_all(runtime(), person().actor, _search(_filters()))
    _set_replayed(count)
    return _back()


def _set_replayed(count: int) -> None:
    if not count:
        set_done(_("Nothing was replayed: tick events that were given up."))
        return
    said = ngettext(
        "%(num)s event is delivered again.", "%(num)s events are delivered again.", count
    )
    if count == webhook_failures.MAX_REPLAYED:
        said = f"{said} {_('There may be more: replay again.')}"
    set_done(said)


def _back() -> Response:
    return redirect_to(
        "console_webhooks.show", **{name: value for name, value in _filters().items() if value}
    )


def _filters() -> dict[str, str]:
    """Return what the list was filtered by, as its forms carry it on."""
    return {name: request.form.get(name, "").replace("\0", "")[:MAX_FIELD] for name in FILTERS}


def _search(filters: Mapping[str, str]) -> FailureSearch:
    return FailureSearch(
        merchant_id=filters["merchant"].strip(),
        event_type=filters["event"],
        status=filters["status"],
    )


def _columns() -> list[Column[Row]]:
    return [
        _column("merchant", _("Merchant"), lambda each: each.merchant_name),
        _column("event", _("Event"), lambda each: each.event_type),
        _column("created", _("Time"), lambda each: each.created_at),
        _column("response", _("Last answer"), lambda each: webhook_answer(each.response)),
        _column("attempts", _("Attempts"), lambda each: each.attempts, is_number=True),
        _column("next", _("Next attempt"), next_attempt),
    ]


def next_attempt(found: FailingEvent) -> datetime | None:
    """Return when an event is attempted again; None once it was given up."""
    return None if found.is_final else found.due_at


def _column(
    key: str, label: str, value: Callable[[FailingEvent], Value], *, is_number: bool = False
) -> Column[Row]:
    """Return a column of the list, which has one order: the newest first."""
    return Column(key, label, lambda row: value(row[1]), is_number=is_number, is_sortable=False)
