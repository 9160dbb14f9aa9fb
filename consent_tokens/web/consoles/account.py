"""The own account of whoever is signed in: password, second factors, sessions."""

from functools import partial

from flask import Blueprint, Response
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError
from consent_tokens.services.people import own_account, passkeys, sessions
from consent_tokens.services.people.invitations import offer_totp
from consent_tokens.services.people.passwords import MIN_LENGTH
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done, who
from consent_tokens.web.consoles.sign_in import (
    MAX_RESPONSE_LENGTH,
    field_errors,
    password_field,
    totp_qr,
)
from consent_tokens.web.consoles.site import Site
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import runtime


def blueprint(site: Site) -> Blueprint:
    """Return the pages of the own account in a console."""
    bp = console_blueprint("account", site)
    bp.get("/account", endpoint="show")(show)
    bp.post("/account/password", endpoint="change_password")(partial(change_password, site))
    bp.get("/account/authenticator", endpoint="show_totp")(show_totp)
    bp.post("/account/authenticator", endpoint="change_totp")(partial(change_totp, site))
    bp.post("/account/recovery-codes", endpoint="renew_recovery_codes")(renew_recovery_codes)
    bp.get("/account/passkeys/new", endpoint="show_passkey")(show_passkey)
    bp.post("/account/passkeys", endpoint="add_passkey")(partial(add_passkey, site))
    bp.post("/account/passkeys/delete", endpoint="delete_passkey")(partial(delete_passkey, site))
    bp.post("/account/sessions/end", endpoint="end_session")(partial(end_session, site))
    return bp


def show() -> Response:
    """Show what the person signs in with, and where."""
    return _account_page()


def _account_page(errors: dict[str, str] | None = None) -> Response:
    return page(
        "consoles/account.html",
        errors=errors or {},
        account=own_account.account_state(runtime(), person()),
        passkeys=passkeys.list_passkeys(runtime(), person()),
        sessions=sessions.list_sessions(runtime(), person().id),
        own_session=who().session.public_id,
        min_length=MIN_LENGTH,
    )


def change_password(site: Site) -> Response:
    """Set another password; the person's other sessions end."""
    try:
        own_account.change_password(
            runtime(), who(), present=password_field("present"), new=password_field("password")
        )
    except InvalidError as error:
        return _account_page(field_errors(error))
    set_done(_("Your password was changed. Other browsers were signed out."))
    return redirect_to(site.endpoint("account.show"))


def show_totp() -> Response:
    """Show a new secret for an authenticator app."""
    return _totp_page()


def _totp_page(errors: dict[str, str] | None = None) -> Response:
    offered = offer_totp(runtime(), person())
    return page(
        "consoles/authenticator.html",
        errors=errors or {},
        secret=offered.secret,
        signed_secret=offered.signed_secret,
        qr=totp_qr(person(), offered.secret),
    )


def change_totp(site: Site) -> Response:
    """Use another authenticator app from now on."""
    try:
        own_account.change_totp(
            runtime(), who(), signed_secret=text("secret", 300), code=text("code")
        )
    except InvalidError as error:
        return _totp_page(field_errors(error))
    set_done(_("Your authenticator app was changed. Other browsers were signed out."))
    return redirect_to(site.endpoint("account.show"))


def renew_recovery_codes() -> Response:
    """Show new recovery codes, once."""
    codes = own_account.renew_recovery_codes(runtime(), person())
    return page("consoles/recovery_codes.html", codes=codes)


def show_passkey() -> Response:
    """Show the page that creates a passkey; it needs script."""
    options = passkeys.registration_options(runtime(), person())
    return page("consoles/passkey.html", options=options)


def add_passkey(site: Site) -> Response:
    """Store a passkey that the browser created."""
    response = text("response", MAX_RESPONSE_LENGTH)
    try:
        passkeys.add_passkey(runtime(), person(), text("name", passkeys.MAX_NAME_LENGTH), response)
    except InvalidError as error:
        return _account_page(field_errors(error))
    set_done(_("The passkey was added."))
    return redirect_to(site.endpoint("account.show"))


def delete_passkey(site: Site) -> Response:
    """Delete a passkey of the person."""
    passkeys.delete_passkey(runtime(), who(), text("passkey", 64))
    set_done(_("The passkey was deleted. Other browsers were signed out."))
    return redirect_to(site.endpoint("account.show"))


def end_session(site: Site) -> Response:
    """End another session of the person."""
    sessions.end_session(runtime(), person(), text("session", 24), actor_id=person().id)
    set_done(_("That browser was signed out."))
    return redirect_to(site.endpoint("account.show"))
