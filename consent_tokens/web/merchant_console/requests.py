"""`/merchant/requests`: ask customers for consent, and see who answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from flask import Response
from flask_babel import gettext as _

from consent_tokens.consent.request import RequestStatus
from consent_tokens.policies import RateLimit
from consent_tokens.services.consents import requests
from consent_tokens.services.consents.requests import RequestStanding
from consent_tokens.services.rate_limits import acquire_now
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.lists import list_view
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import set_done
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.merchant_console.overview import merchant_id
from consent_tokens.web.merchant_console.request_form import FieldErrors, form_members, try_to_ask
from consent_tokens.web.request_context import app_context, runtime

bp = console_blueprint("requests", MERCHANT)

REQUESTS_PER_MINUTE: Final = RateLimit(60, timedelta(minutes=1))  # of one merchant's people


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """A consent request as the console shows it, with the address that the consumer opens."""

    standing: RequestStanding
    id: str  # public id
    url: str
    status: RequestStatus


@bp.get("/requests", endpoint="show")
def show() -> Response:
    """List the requests, the newest first."""
    statuses = [each.value for each in RequestStatus]
    view = list_view(
        statuses,
        lambda wanted: requests.list_requests(runtime(), merchant_id(), wanted),
        lambda each: (each.request.created_at, each.request.key.id),
    )
    return page(
        "merchant/requests.html",
        view=view,
        requests=[_shown(each) for each in view.items],
        request_status_label=request_status_label,
    )


@bp.get("/requests/new")
def show_form() -> Response:
    """Show the form that creates a request."""
    return _form_page({})


@bp.post("/requests")
def create() -> Response:
    """Create a request, as `POST /v1/consent-requests` does."""
    context, policy, merchant = runtime(), app_context().consent, merchant_id()
    acquire_now(context, "console_requests", merchant, REQUESTS_PER_MINUTE)
    created = try_to_ask(
        lambda asked: context.database.run(
            lambda transaction: requests.create_request(
                context, policy, transaction, merchant, asked
            )
        )
    )
    if isinstance(created, FieldErrors):
        return _form_page(created.words)
    set_done(_("The request was created."))
    return redirect_to(
        "merchant_requests.show_one", request_id=context.ids.request.encode(created.key)
    )


@bp.get("/requests/<request_id>")
def show_one(request_id: str) -> Response:
    """Show one request with its link and QR code."""
    return page(
        "merchant/request.html",
        shown=_find(request_id),
        request_status_label=request_status_label,
    )


@bp.get("/requests/<request_id>/card")
def show_card(request_id: str) -> Response:
    """Show the card of a request to print: its QR code, and what it is for."""
    return page("merchant/card.html", shown=_find(request_id))


def request_status_label(status: str) -> str:
    """Return the status of a request in words."""
    labels = {
        RequestStatus.PENDING: _("No answer yet"),
        RequestStatus.GRANTED: _("Yes"),
        RequestStatus.DECLINED: _("No"),
        RequestStatus.EXPIRED: _("Not answered in time"),
    }
    return str(labels[RequestStatus(status)])


def _find(request_id: str) -> ShownRequest:
    return _shown(requests.read_request(runtime(), merchant_id(), request_id))


def _shown(standing: RequestStanding) -> ShownRequest:
    context, asked = runtime(), standing.request
    return ShownRequest(
        standing,
        context.ids.request.encode(asked.key),
        f"{context.service.base_url}/c/{context.ids.consent_page.encode(asked.key)}",
        asked.status_at(context.clock.now()),
    )


def _form_page(errors: Mapping[str, str]) -> Response:
    return page(
        "merchant/new_request.html",
        errors=errors,
        **form_members(),
    )
