"""`/my`: every consent, over all merchants, after a one-time code."""

from flask import Response, request, session
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError
from consent_tokens.flow.prove import Secret, send_code, typed_number
from consent_tokens.flow.visit import LOGIN, consents, end_own, home_of, log_in, log_out
from consent_tokens.web.consumer import blueprint, page, see_other
from consent_tokens.web.consumer.languages import language
from consent_tokens.web.here import client_address, world
from consent_tokens.web.security import begin_session

doors = blueprint("my")

MOST_CODE = 16  # characters of a typed code


@doors.get("/my")
def look() -> Response:
    """Show all consents, or ask who is there."""
    home = home_of(world(), session.get("visit"))
    if home is not None:
        found = consents(world(), home)
        now = world().clock.now()
        return page("my.html", consents=found, now=now, ended=session.pop("ended", None))
    if "login" in session and "again" not in request.args:
        return page("login_code.html", faults={})
    return page("login.html", faults={})


@doors.post("/my")
def act() -> Response:
    """Prove the number, end a consent, or leave."""
    match request.form.get("action"):
        case "revoke":
            return _revoke()
        case "leave":
            log_out(world(), session.get("visit", ""))
            begin_session()
            return _to_my()
        case _ if "code" in request.form:
            return _prove()
        case _:
            return _ask_for_code()


def _ask_for_code() -> Response:
    try:
        number = typed_number(world(), request.form.get("phone", ""))
    except InvalidError:
        wrong = _("This does not look like a phone number.")
        return page("login.html", 422, faults={"phone": wrong})
    secret = send_code(world(), number, about=LOGIN, language=language(), address=client_address())
    session["login"] = secret.to_text()
    return _to_my()


def _prove() -> Response:
    secret = Secret.from_text(session.get("login", ""))
    visit = log_in(world(), secret, "".join(request.form["code"].split())[:MOST_CODE])
    if visit is None:
        wrong = _("This code is wrong or too old. You can ask for a new one.")
        return page("login_code.html", 422, faults={"code": wrong})
    begin_session(visit=visit)
    return _to_my()


def _revoke() -> Response:
    home = home_of(world(), session.get("visit"))
    if home is None:
        return _to_my()
    ended = end_own(world(), home, request.form.get("grant", ""))
    session["ended"] = {"merchant": ended.grant.merchant_id, "left": ended.left_meanwhile}
    return _to_my()


def _to_my() -> Response:
    return see_other("my.look")
