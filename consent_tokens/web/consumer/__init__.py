"""The consumer's pages: documents first, no script, one stylesheet."""

from http import HTTPStatus

import structlog
from flask import Blueprint, Response, make_response, render_template
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException

from consent_tokens.errors import (
    ConflictError,
    ConsentTokensError,
    NotFoundError,
    TooManyError,
)
from consent_tokens.web.security import refuse_forgeries

log = structlog.get_logger()


def blueprint(name: str) -> Blueprint:
    """Return a blueprint of pages: forms are held to CSRF, errors are pages."""
    doors = Blueprint(name, __name__)
    doors.before_request(refuse_forgeries)
    doors.register_error_handler(Exception, error_page)
    return doors


def page(template: str, status: int = 200, **members: object) -> Response:
    """Return a page."""
    return make_response(render_template(template, **members), status)


def error_page(fault: Exception) -> Response:
    """Return the page that tells a fault in plain words, and nothing of the inside."""
    match fault:
        case NotFoundError():
            return _told(404, _("This link leads nowhere."), _("It may be old, or cut short."))
        case ConflictError():
            return _told(
                409, _("This question is closed."), _("It was answered, or its time is up.")
            )
        case TooManyError(retry_after=seconds):
            response = _told(
                429, _("Too many codes were asked for from here."), _("Please try again later.")
            )
            response.headers["Retry-After"] = str(seconds)
            return response
        case HTTPException(code=403):
            return _told(
                403,
                _("This form came from somewhere else."),
                _("Open the page again, then try once more."),
            )
        case HTTPException(code=int(code)):
            return _told(code, HTTPStatus(code).phrase, "")
        case ConsentTokensError(code=code):
            log.warning("page_failed", code=code)
            response = _told(
                503, _("This does not work just now."), _("Nothing was changed. Please try again.")
            )
            response.headers["Retry-After"] = "1"
            return response
        case _:
            log.error("internal_error", fault=type(fault).__name__)
            return _told(
                500, _("This does not work just now."), _("Nothing was changed. Please try again.")
            )


def _told(status: int, what: str, then: str) -> Response:
    return page("error.html", status, what=what, then=then)
