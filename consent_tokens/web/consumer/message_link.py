"""`/m/{code}`: the short link in each marketing message. No login; it can only take back."""

from flask import Response, request, session
from werkzeug.exceptions import BadRequest

from consent_tokens.consent.grant import EndedBy
from consent_tokens.crypto.handles import Address
from consent_tokens.flow.end import end
from consent_tokens.flow.visit import linked
from consent_tokens.web.consumer import blueprint, page, see_other
from consent_tokens.web.here import world
from consent_tokens.web.security import link_token, refuse_unseen_link

doors = blueprint("message_link", refuse_unseen_link)


@doors.get("/m/<code>")
def look(code: str) -> Response:
    """Show who wrote, and under which consent. Whoever only looks changes nothing (promise 8)."""
    found = linked(world(), code)
    return page(
        "message.html",
        csrf=link_token(code),
        message=found.message,
        consent=found.consent,
        left=session.pop("left", 0),
        is_over=found.consent.grant.is_over,
    )


@doors.post("/m/<code>")
def act(code: str) -> Response:
    """Stop this merchant."""
    found = linked(world(), code)
    if request.form.get("action") != "revoke":
        raise BadRequest
    grant = found.consent.grant
    ended = end(world(), Address(grant.home, grant.number), EndedBy.CONSUMER)
    session["left"] = ended.left_meanwhile if ended else 0
    return see_other("message_link.look", code=code)
