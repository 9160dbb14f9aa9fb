"""The consumer's pages: documents first, no script, one stylesheet."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from flask import Blueprint, Response, make_response, redirect, render_template, session, url_for
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException

from consent_tokens.errors import (
    ConflictError,
    ConsentTokensError,
    InvalidError,
    NotFoundError,
    TooManyRequestsError,
)
from consent_tokens.services.consumer_sessions import recipient_of
from consent_tokens.web.request_context import runtime
from consent_tokens.web.security import check_csrf

log = structlog.get_logger()


def blueprint(name: str, guard: Callable[[], None] = check_csrf) -> Blueprint:
    """Return a blueprint of pages: `guard` refuses forged forms, errors are pages."""
    bp = Blueprint(name, __name__)
    bp.before_request(guard)
    bp.register_error_handler(Exception, error_page)
    return bp


def signed_in_recipient() -> int | None:
    """Return the partition of the consumer who is signed in with this browser, if one is."""
    return recipient_of(runtime(), session.get("session"))


def page(template: str, status: int = 200, **members: object) -> Response:
    """Return a page."""
    return make_response(render_template(template, **members), status)


def redirect_after_post(endpoint: str, **values: Any) -> Response:  # noqa: ANN401 - as url_for takes them
    """Send the browser on after a form, so that loading again sends nothing again (303)."""
    return make_response(redirect(url_for(endpoint, **values), HTTPStatus.SEE_OTHER))


def error_page(error: Exception) -> Response:
    """Return the page that tells a fault in plain words, and nothing of the inside."""
    status, what, then = _error_words(error)
    response = page("error.html", status, what=what, then=then)
    if isinstance(error, TooManyRequestsError):
        response.headers["Retry-After"] = str(error.retry_after)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "1"
    return response


def _error_words(error: Exception) -> tuple[int, str, str]:
    again = _("Open the page again, then try once more.")
    known: dict[type[Exception], tuple[int, str, str]] = {
        NotFoundError: (404, _("This link leads nowhere."), _("It may be old, or cut short.")),
        ConflictError: (
            409,
            _("This question is closed."),
            _("It was answered, or its time is up."),
        ),
        InvalidError: (422, _("That does not fit."), again),
        TooManyRequestsError: (
            429,
            _("Too many codes were asked for from here."),
            _("Please try again later."),
        ),
    }
    match error:
        case HTTPException(code=403):
            return 403, _("This form came from somewhere else."), again
        case HTTPException(code=int(code)):
            return code, HTTPStatus(code).phrase, ""
        case _:
            return known.get(type(error)) or _unexpected(error)


def _unexpected(error: Exception) -> tuple[int, str, str]:
    is_ours = isinstance(error, ConsentTokensError)
    log.error("page_failed", fault=type(error).__name__)
    nothing = _("Nothing was changed. Please try again.")
    return 503 if is_ours else 500, _("This does not work just now."), nothing
