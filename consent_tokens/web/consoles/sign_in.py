"""Pages before the sign-in: name and password, then a code or a passkey; invitations."""

from functools import partial
from typing import Final

import segno
from flask import Blueprint, Response, request, session
from flask_babel import gettext as _
from markupsafe import Markup

from consent_tokens.errors import InvalidError
from consent_tokens.services.people import passkeys, sign_in
from consent_tokens.services.people.invitations import (
    Enrolment,
    EnrolmentForm,
    accept_invitation,
    enter_demonstration,
    offered_secret,
    open_invitation,
)
from consent_tokens.services.people.passwords import MIN_LENGTH
from consent_tokens.services.people.person import Person
from consent_tokens.services.people.second_factors import totp_uri
from consent_tokens.services.people.sessions import sign_out
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import plain_page, redirect_to
from consent_tokens.web.consoles.session import PENDING, begin, browser, end, find_signed_in, who
from consent_tokens.web.consoles.site import Site
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import app_context, runtime

MAX_PASSWORD_FIELD: Final = 1000  # characters; longer ones are refused, not cut
MAX_RESPONSE_LENGTH: Final = passkeys.MAX_RESPONSE_LENGTH


def blueprint(site: Site) -> Blueprint:
    """Return the pages of a console before the sign-in, and the end of a session."""
    bp = console_blueprint("sign_in", site)
    bp.get("/sign-in", endpoint="show")(partial(show, site))
    bp.post("/sign-in", endpoint="sign_in")(partial(enter_password, site))
    bp.get("/sign-in/code", endpoint="show_code")(partial(show_code, site))
    bp.post("/sign-in/code", endpoint="finish")(partial(finish, site))
    bp.post("/sign-out", endpoint="sign_out")(partial(leave, site))
    bp.get("/join/<secret>", endpoint="show_invitation")(partial(show_invitation, site))
    bp.post("/join/<secret>", endpoint="accept")(partial(accept, site))
    bp.get("/demonstration/<secret>", endpoint="show_demonstration")(
        partial(show_demonstration, site)
    )
    bp.post("/demonstration/<secret>", endpoint="enter_demonstration")(partial(enter, site))
    return bp


def show(site: Site) -> Response:
    """Show the form for name and password, and the button for a passkey."""
    if find_signed_in(site):
        return redirect_to(site.home)
    return _sign_in_page(site)


def _sign_in_page(site: Site, errors: dict[str, str] | None = None, name: str = "") -> Response:
    takes_passkeys = passkeys.RelyingParty.of(runtime().service).takes_passkeys
    return plain_page(
        site,
        "consoles/sign_in.html",
        errors=errors or {},
        name=name,
        passkey_options=passkeys.sign_in_options(runtime()) if takes_passkeys else None,
        is_local=app_context().simulator is not None and runtime().service.is_loopback,
    )


def enter_password(site: Site) -> Response:
    """Check name and password, and ask for the second factor; or sign in with a passkey."""
    if "response" in request.form:
        return _enter_passkey(site)
    name = text("name", sign_in.MAX_NAME_LENGTH)
    password = password_field("password")
    pending = sign_in.check_password(runtime(), site.console, name, password, browser())
    if pending is None:
        # one message, whichever of the two is wrong
        return _sign_in_page(site, {"name": _("Name or password is wrong.")}, name)
    session[PENDING] = pending
    return redirect_to(site.endpoint("sign_in.show_code"))


def show_code(site: Site) -> Response:
    """Show the form for the code of an authenticator app."""
    pending = session.get(PENDING, "")
    if sign_in.pending_person(runtime(), site.console, pending) is None:
        return redirect_to(site.endpoint("sign_in.show"))
    return plain_page(site, "consoles/sign_in_code.html")


def finish(site: Site) -> Response:
    """Sign in with a right code."""
    pending = session.get(PENDING, "")
    if sign_in.pending_person(runtime(), site.console, pending) is None:
        return redirect_to(site.endpoint("sign_in.show"))
    code = text("code")
    begun = sign_in.finish_with_code(runtime(), site.console, pending, code, browser())
    if begun is None:
        wrong = {"code": _("This code is wrong, or was used before.")}
        return plain_page(site, "consoles/sign_in_code.html", errors=wrong)
    return begin(site, redirect_to(site.home), begun)


def _enter_passkey(site: Site) -> Response:
    """Sign in with what a passkey signed."""
    response = text("response", MAX_RESPONSE_LENGTH)
    begun = sign_in.finish_with_passkey(runtime(), site.console, response, browser())
    if begun is None:
        return _sign_in_page(site, {"passkey": _("This passkey is not known here.")})
    return begin(site, redirect_to(site.home), begun)


def leave(site: Site) -> Response:
    """End this session."""
    sign_out(runtime(), who())
    return end(site, redirect_to(site.endpoint("sign_in.show")))


def show_invitation(site: Site, secret: str) -> Response:
    """Show the form of an invitation: a password, and a new authenticator app."""
    return _invitation_page(site, open_invitation(runtime(), site.console, secret))


def _invitation_page(
    site: Site, enrolment: Enrolment, errors: dict[str, str] | None = None
) -> Response:
    return plain_page(
        site,
        "consoles/join.html",
        errors=errors or {},
        invited=enrolment.person,
        signed_secret=enrolment.signed_secret,
        secret=enrolment.secret,
        qr=totp_qr(enrolment.person, enrolment.secret),
        min_length=MIN_LENGTH,
    )


def accept(site: Site, secret: str) -> Response:
    """Set password and authenticator app, sign in, and show the recovery codes once."""
    signed_secret = text("secret", 300)
    form = EnrolmentForm(
        password=password_field("password"), signed_secret=signed_secret, code=text("code")
    )
    try:
        accepted = accept_invitation(runtime(), site.console, secret, browser(), form)
    except InvalidError as error:
        enrolment = open_invitation(runtime(), site.console, secret)
        offered = offered_secret(runtime(), enrolment.person, signed_secret)
        if offered:  # the same as before: the app has scanned it
            enrolment = Enrolment(enrolment.person, offered, signed_secret)
        return _invitation_page(site, enrolment, field_errors(error))
    response = plain_page(
        site, "consoles/recovery_codes.html", codes=accepted.recovery_codes, is_new=True
    )
    return begin(site, response, accepted.begun)


def show_demonstration(site: Site, secret: str) -> Response:
    """Show the button that signs in to a demonstration: opening a link changes nothing."""
    return plain_page(site, "consoles/demonstration.html", secret=secret)


def enter(site: Site, secret: str) -> Response:
    """Sign in by the link that `serve` printed."""
    begun = enter_demonstration(runtime(), site.console, secret, browser())
    return begin(site, redirect_to(site.home), begun)


def totp_qr(person: Person, secret: str) -> Markup:
    """Return the QR code of a TOTP secret as inline SVG."""
    uri = totp_uri(secret, person.name, runtime().service.english_name)
    drawn = segno.make(uri, error="m").svg_inline(
        border=4, omitsize=True, svgclass="qr", lineclass=None
    )
    return Markup(drawn)  # noqa: S704 - drawn by segno from a URI, in which it writes no text


def field_errors(error: InvalidError) -> dict[str, str]:
    """Return the errors of fields of passwords and codes, in words."""
    words = {
        "too_short": _("Use at least %(n)s characters.", n=MIN_LENGTH),
        "too_long": _("Use at most 200 characters."),
        "too_common": _("This is easy to guess. Use several words that do not belong together."),
        "expired": _("This form is too old. Scan the new code below."),
        "wrong": _("This is wrong. Check it, and the clock of your device."),
        "not_verified": _("This passkey could not be checked. Try again."),
    }
    return {
        name: words.get(codes[0], _("Use one line of 1 to 60 characters."))
        for name, codes in error.fields.items()
    }


def password_field(name: str) -> str:
    """Return a password as it was typed, with blanks at its ends."""
    return request.form.get(name, "")[:MAX_PASSWORD_FIELD]
