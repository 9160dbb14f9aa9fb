"""Blueprints of the consoles: each request is held against the table of permissions first."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus

import structlog
from flask import Blueprint, Response, abort, request
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException

from consent_tokens.errors import ConflictError, ForbiddenError, NotFoundError, TooManyRequestsError
from consent_tokens.services.people import passkeys
from consent_tokens.services.people.sign_in import prove_again
from consent_tokens.web.consoles.pages import page, plain_page, redirect_to
from consent_tokens.web.consoles.permissions import PERMISSIONS
from consent_tokens.web.consoles.session import find_signed_in, has_csrf_token, who
from consent_tokens.web.consoles.site import Site
from consent_tokens.web.consumer.error_texts import error_text
from consent_tokens.web.request_context import runtime
from consent_tokens.web.security import SAFE_METHODS, check_origin

log = structlog.get_logger()

STEP_UP_CODE = "step_up_code"  # fields that the form of a step-up adds to the form that needs it
STEP_UP_PASSKEY = "step_up_passkey"


def console_blueprint(name: str, site: Site) -> Blueprint:
    """Return a blueprint of pages of a console, whose errors are pages.

    Its name is `console_NAME` or `merchant_NAME`; its paths begin with that of the console.
    """
    bp = Blueprint(f"{site.name}_{name}", __name__, url_prefix=site.path)
    bp.before_request(partial(guard, site))
    bp.register_error_handler(Exception, partial(error_page, site))
    return bp


def guard(site: Site) -> Response | None:
    """Let a request through to its view, if its row in the table of permissions allows it.

    Without a row nobody may. Raises Forbidden, also for a form without its CSRF token.
    """
    permission = PERMISSIONS.get(request.endpoint or "")
    found = find_signed_in(site)
    if permission is None:
        abort(HTTPStatus.FORBIDDEN)
    if not permission.is_public:
        if found is None:
            return _sign_in(site)
        if found.person.role not in permission.roles:
            raise ForbiddenError("this role may not do this")
    if request.method in SAFE_METHODS:
        return None
    check_origin()
    if not has_csrf_token():
        abort(HTTPStatus.FORBIDDEN)
    needs_factor = permission.step_up and not who().has_fresh_factor(runtime().clock.now())
    return _step_up() if needs_factor else None


def _sign_in(site: Site) -> Response:
    return redirect_to(site.endpoint("sign_in.show"))


def _step_up() -> Response | None:
    """Ask for a second factor on a page that carries the form on; None once it is proved."""
    code, passkey = request.form.get(STEP_UP_CODE, ""), request.form.get(STEP_UP_PASSKEY, "")
    errors = {}
    if code or passkey:
        if prove_again(runtime(), who(), code=code, response=passkey):
            return None
        errors = {STEP_UP_CODE: _("This code is wrong, or was used before.")}
    carried = [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name not in {"csrf", STEP_UP_CODE, STEP_UP_PASSKEY}
    ]
    return page(
        "consoles/step_up.html",
        carried=carried,
        errors=errors,
        action=request.path,
        passkey_options=_passkey_options(),
    )


def _passkey_options() -> str | None:
    """Return the options to sign with a passkey, for whoever has one."""
    has_passkey = bool(passkeys.list_passkeys(runtime(), who().person))
    return passkeys.sign_in_options(runtime()) if has_passkey else None


def error_page(site: Site, error: Exception) -> Response:
    """Return the page of an error, which reveals nothing of the service's inside."""
    status, headline, advice = error_text(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, HTTPException):
        log.error("page_failed", fault=type(error).__name__)
    if isinstance(error, ForbiddenError):
        status = HTTPStatus.FORBIDDEN
        headline = _("Your role may not do this.")
        advice = _("Ask somebody whose role allows it. Nothing was changed.")
    elif isinstance(error, ConflictError):
        advice = _("Somebody may have changed it meanwhile. Load the page again.")
    elif isinstance(error, NotFoundError):
        advice = _("It may have been used already, or have expired.")
    found = find_signed_in(site)
    render: Callable[..., Response] = page if found else partial(plain_page, site)
    response = render("consoles/error.html", status, headline=headline, advice=advice)
    if isinstance(error, TooManyRequestsError):
        response.headers["Retry-After"] = str(error.retry_after)
    return response
