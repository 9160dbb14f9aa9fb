"""`/m/{code}`: the short link in each marketing message. No login; it can only take back."""

from datetime import timedelta

from flask import Response, request, session
from werkzeug.exceptions import BadRequest

from consent_tokens.consent.grant import EndReason
from consent_tokens.errors import ConflictError
from consent_tokens.evidence.complaints import ComplaintReason
from consent_tokens.services.complaints import report_message
from consent_tokens.services.consents.amendments import pause
from consent_tokens.services.consents.revocation import revoke
from consent_tokens.services.consents.views import LinkedMessage, find_linked_message
from consent_tokens.web.consumer import blueprint, page, redirect_after_post
from consent_tokens.web.request_context import runtime
from consent_tokens.web.security import check_link_token, link_csrf_token

bp = blueprint("message_link", check_link_token)

PAUSE = timedelta(days=30)


@bp.get("/m/<code>")
def show(code: str) -> Response:
    """Show who wrote, and under which consent. Whoever only looks changes nothing (promise 8)."""
    found = find_linked_message(runtime(), code)
    now = runtime().clock.now()
    return page(
        "message.html",
        csrf=link_csrf_token(code),
        code=code,
        message=found.message,
        consent=found.consent,
        zone=found.consent.grant.scope.send_window.timezone,
        state=found.consent.status_at(now).value,
        done=session.pop("done", None),
        is_over=found.consent.status_at(now).value in {"revoked", "expired"},
    )


@bp.post("/m/<code>")
def act(code: str) -> Response:
    """Stop this merchant, pause it, or go on to report the message."""
    found = find_linked_message(runtime(), code)
    grant = found.consent.grant
    key = grant.key
    match request.form.get("action"):
        case "revoke":
            ended = revoke(runtime(), key, EndReason.CONSUMER)
            session["done"] = {"what": "revoked", "left": ended.submitted_meanwhile if ended else 0}
        case "pause":
            if found.consent.status_at(runtime().clock.now()).value != "paused":
                pause(runtime(), key, runtime().clock.now() + PAUSE)
            session["done"] = {"what": "paused"}
        case "report":
            return redirect_after_post("message_link.ask_reason", code=code)
        case _:
            raise BadRequest
    return redirect_after_post("message_link.show", code=code)


@bp.get("/m/<code>/report")
def ask_reason(code: str) -> Response:
    """Ask what is wrong with the message: each reason is a button."""
    return _reason_page(find_linked_message(runtime(), code), code)


def _reason_page(found: LinkedMessage, code: str) -> Response:
    return page(
        "report_message.html",
        csrf=link_csrf_token(code),
        code=code,
        message=found.message,
        consent=found.consent,
        zone=found.consent.grant.scope.send_window.timezone,
        reasons=list(ComplaintReason),
    )


@bp.post("/m/<code>/report")
def report(code: str) -> Response:
    """File the complaint: the second tap."""
    found = find_linked_message(runtime(), code)
    if request.form.get("reason") not in set(ComplaintReason):
        raise BadRequest
    try:
        filed = report_message(runtime(), found.message, ComplaintReason(request.form["reason"]))
    except ConflictError as error:
        raise BadRequest from error
    session["filed"] = filed.case_number
    return redirect_after_post("report.show_report")
