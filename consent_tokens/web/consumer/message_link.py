"""`/m/{code}`: the short link in each marketing message. No login; it can only take back."""

from datetime import timedelta

from flask import Response, request, session
from werkzeug.exceptions import BadRequest

from consent_tokens.consent.grant import EndedBy
from consent_tokens.crypto.opaque_ids import Address
from consent_tokens.errors import ConflictError
from consent_tokens.evidence.complaints import Why
from consent_tokens.services.complaints import complain_of
from consent_tokens.services.consents.amendments import pause
from consent_tokens.services.consents.revocation import end
from consent_tokens.services.consents.views import Linked, linked
from consent_tokens.web.consumer import blueprint, page, see_other
from consent_tokens.web.request_context import world
from consent_tokens.web.security import link_token, refuse_unseen_link

doors = blueprint("message_link", refuse_unseen_link)

PAUSE = timedelta(days=30)


@doors.get("/m/<code>")
def look(code: str) -> Response:
    """Show who wrote, and under which consent. Whoever only looks changes nothing (promise 8)."""
    found = linked(world(), code)
    now = world().clock.now()
    return page(
        "message.html",
        csrf=link_token(code),
        code=code,
        message=found.message,
        consent=found.consent,
        zone=found.consent.grant.scope.hours.zone,
        state=found.consent.state(now).value,
        told=session.pop("told", None),
        is_over=found.consent.state(now).value in {"revoked", "expired"},
    )


@doors.post("/m/<code>")
def act(code: str) -> Response:
    """Stop this merchant, pause it, or go on to report the message."""
    found = linked(world(), code)
    grant = found.consent.grant
    address = Address(grant.home, grant.number)
    match request.form.get("action"):
        case "revoke":
            ended = end(world(), address, EndedBy.CONSUMER)
            session["told"] = {"what": "revoked", "left": ended.left_meanwhile if ended else 0}
        case "pause":
            if found.consent.state(world().clock.now()).value != "paused":
                pause(world(), address, world().clock.now() + PAUSE)
            session["told"] = {"what": "paused"}
        case "report":
            return see_other("message_link.ask_why", code=code)
        case _:
            raise BadRequest
    return see_other("message_link.look", code=code)


@doors.get("/m/<code>/report")
def ask_why(code: str) -> Response:
    """Ask what is wrong with the message: each reason is a button."""
    return _why(linked(world(), code), code)


def _why(found: Linked, code: str) -> Response:
    return page(
        "report_message.html",
        csrf=link_token(code),
        code=code,
        message=found.message,
        consent=found.consent,
        zone=found.consent.grant.scope.hours.zone,
        reasons=list(Why),
    )


@doors.post("/m/<code>/report")
def report(code: str) -> Response:
    """File the complaint: the second tap."""
    found = linked(world(), code)
    if request.form.get("reason") not in set(Why):
        raise BadRequest
    try:
        filed = complain_of(world(), found.message, Why(request.form["reason"]))
    except ConflictError as fault:
        raise BadRequest from fault
    session["filed"] = filed.number
    return see_other("report.follow_one")
