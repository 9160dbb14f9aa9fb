"""`/merchant/requests`: ask customers for consent, and see who answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from flask import Response, request
from flask_babel import gettext as _
from marshmallow import ValidationError

from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import RequestStatus
from consent_tokens.consent.scope import MAX_DAYS, MAX_MESSAGES
from consent_tokens.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    InvitationRefusedError,
    RuleForbidsError,
)
from consent_tokens.policies import RateLimit
from consent_tokens.services.consents import requests
from consent_tokens.services.consents.requests import RequestStanding
from consent_tokens.services.merchant_records import get_merchant
from consent_tokens.services.rate_limits import acquire_now
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.lists import list_view
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import set_done
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.merchant_api.schemas import ConsentRequestIn
from consent_tokens.web.merchant_console.overview import merchant_id
from consent_tokens.web.request_context import app_context, runtime

bp = console_blueprint("requests", MERCHANT)

NUMBERS: Final = ("max_messages", "per_days", "expires_in_days")
REQUESTS_PER_MINUTE: Final = RateLimit(60, timedelta(minutes=1))  # of one merchant's people
TEXTS: Final = ("from", "to", "reference", "return_url", "locale")


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
    try:
        asked, _token = ConsentRequestIn().load(_members())
    except ValidationError as error:
        return _form_page(_field_errors(error.messages_dict))
    context, policy, merchant = runtime(), app_context().consent, merchant_id()
    acquire_now(context, "console_requests", merchant, REQUESTS_PER_MINUTE)
    try:
        with requests.recorded_refusals(context, merchant):
            created = context.database.run(
                lambda transaction: requests.create_request(
                    context, policy, transaction, merchant, asked
                )
            )
    except RuleForbidsError as error:
        words = {each["id"]: each["words"] for each in error.rules}
        return _form_page({name: words[ids[0]] for name, ids in error.fields.items()})
    except InvalidError as error:
        return _form_page(_field_errors(error.fields))
    except InvitationRefusedError:
        return _form_page({"reference": _("This customer was asked before and cannot be asked "
                                          "again for a while.")})  # fmt: skip
    except (ForbiddenError, ConflictError):
        return _form_page({"purposes": _("The platform does not let you ask at present.")})
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


def _members() -> dict[str, Any]:
    """Return what was entered, with the names of the API; what is empty is left to the rules."""
    members: dict[str, Any] = {"purposes": request.form.getlist("purposes")}
    for name in (*NUMBERS, *TEXTS):
        entered = text(name)
        if entered:
            members[name] = int(entered) if name in NUMBERS and _is_number(entered) else entered
    return members


def _is_number(entered: str) -> bool:
    return entered.isascii() and entered.isdigit() and len(entered) < 7  # noqa: PLR2004 - digits


def _form_page(errors: Mapping[str, str]) -> Response:
    merchant = runtime().database.read(lambda transaction: get_merchant(transaction, merchant_id()))
    return page(
        "merchant/new_request.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        errors=errors,
        purposes=[each for each in Purpose if merchant.may_use(each)],
        chosen=request.form.getlist("purposes"),
        entered={name: text(name) for name in (*NUMBERS, *TEXTS)},
        locale=text("locale") or language(),
    )


def _field_errors(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with each field, in words."""
    words = {
        "purposes": _("Choose what you want to write about."),
        "max_messages": _("Enter a whole number from 1 to %(most)s.", most=MAX_MESSAGES),
        "per_days": _("Enter a whole number of days from 1 to %(most)s.", most=MAX_DAYS),
        "expires_in_days": _("Enter a whole number of days from 1 to 1825."),
        "from": _("Enter a time such as 09:00."),
        "to": _("Enter a time such as 21:00, later than the first."),
        "reference": _("Use up to 100 printable characters."),
        "return_url": _("Enter an address that begins with https://."),
    }
    return {name: words.get(name, str(_("This is not valid."))) for name in fields}
