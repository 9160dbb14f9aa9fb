"""`/m/{link_id}`: the link in a marketing message. It needs no login and only reduces consent."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from flask import Response, request, session
from flask_babel import gettext as _
from werkzeug.exceptions import BadRequest

from consent_tokens.consent.grant import Grant, GrantStatus
from consent_tokens.crypto.message_link_ids import is_link_id
from consent_tokens.errors import ConflictError, NotFoundError
from consent_tokens.evidence.complaints import ComplaintReason
from consent_tokens.services.complaints import report_message
from consent_tokens.services.consents.amendments import pause_merchant
from consent_tokens.services.consents.revocation import revoke_merchant
from consent_tokens.services.consents.stop_reasons import StopReason, give_stop_reason
from consent_tokens.services.consents.views import (
    LinkedMessage,
    find_linked_message,
    find_linked_message_detail,
)
from consent_tokens.services.runtime import Runtime
from consent_tokens.web.consumer import (
    blueprint,
    page,
    redirect_after_post,
    set_result,
    signed_in_recipient,
    take_result,
)
from consent_tokens.web.consumer.confirmations import paused_text
from consent_tokens.web.consumer.report import CASE_NUMBER
from consent_tokens.web.request_context import app_context, client_ip, link_misses, runtime
from consent_tokens.web.security import check_link_token, link_csrf_token

bp = blueprint("message_link", check_link_token)

PAUSE: Final = timedelta(days=30)
Linked = TypeVar("Linked")


def _found(find: Callable[[Runtime, str, int | None], Linked], link_id: str) -> Linked:
    """Return what a link leads to. Raises NotFoundError, and TooManyRequestsError after many."""
    reader = None if is_link_id(link_id) else signed_in_recipient()
    try:
        return find(runtime(), link_id, reader)
    except NotFoundError:
        link_misses().record(client_ip())
        raise


@bp.get("/m/<link_id>")
def show(link_id: str) -> Response:
    """Show who sent the message, and under which consent. A GET changes nothing (promise 8)."""
    detail = _found(find_linked_message_detail, link_id)
    grant = detail.linked.grant
    now = runtime().clock.now()
    return page(
        "message.html",
        csrf=link_csrf_token(link_id),
        link_id=link_id,
        message=detail.linked.message,
        grant=grant,
        merchant=detail.linked.merchant,
        detail=detail,
        timezone=grant.scope.send_window.timezones,
        is_paused=all(each.status_at(now) is GrantStatus.PAUSED for each in detail.live),
        result=take_result(),
    )


@bp.post("/m/<link_id>")
def act(link_id: str) -> Response:
    """Stop or pause the merchant, or go on to report the message."""
    linked = _found(find_linked_message, link_id)
    match request.form.get("action"):
        case "revoke":
            _revoke(linked.grant)
        case "pause":
            _pause(linked)
        case "reason":
            _give_reason(linked.grant)
        case "report":
            return redirect_after_post("message_link.ask_reason", link_id=link_id)
        case _:
            raise BadRequest
    return redirect_after_post("message_link.show", link_id=link_id)


def _revoke(grant: Grant) -> None:
    policy, partition = app_context().consent, grant.key.partition
    stop = revoke_merchant(runtime(), policy, partition, grant.merchant_id)
    set_result("revoked", submitted=stop.submitted_meanwhile)


def _give_reason(grant: Grant) -> None:
    """Record why the consumer stopped; it changes nothing else."""
    if request.form.get("stop_reason") not in set(StopReason):
        raise BadRequest
    give_stop_reason(runtime(), grant, StopReason(request.form["stop_reason"]))
    set_result("reason_given", text=_("Thank you for telling us."))


def _pause(linked: LinkedMessage) -> None:
    grant = linked.grant
    until = runtime().clock.now() + PAUSE
    paused = pause_merchant(runtime(), grant.key.partition, grant.merchant_id, until)
    timezone = grant.scope.send_window.timezone
    set_result("paused", text=paused_text(linked.merchant.name, paused, until, timezone))


@bp.get("/m/<link_id>/report")
def ask_reason(link_id: str) -> Response:
    """Ask what is wrong with the message: each reason is a button."""
    linked = _found(find_linked_message, link_id)
    return page(
        "report_message.html",
        csrf=link_csrf_token(link_id),
        link_id=link_id,
        message=linked.message,
        merchant=linked.merchant,
        timezone=linked.grant.scope.send_window.timezones,
        reasons=list(ComplaintReason),
    )


@bp.post("/m/<link_id>/report")
def report(link_id: str) -> Response:
    """File a complaint about the message."""
    linked = _found(find_linked_message, link_id)
    if request.form.get("reason") not in set(ComplaintReason):
        raise BadRequest
    try:
        filed = report_message(runtime(), linked.message, ComplaintReason(request.form["reason"]))
    except ConflictError as error:
        raise BadRequest from error
    session[CASE_NUMBER] = filed.case_number
    return redirect_after_post("report.show_report")
