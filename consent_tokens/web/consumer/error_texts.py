"""What an error page says: what happened, and what the reader can do next."""

from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Final

from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.exceptions import HTTPException

from consent_tokens.errors import (
    ConflictError,
    ConsentTokensError,
    InvalidError,
    NotFoundError,
    TooManyRequestsError,
)
from consent_tokens.localization import N_

SECONDS_PER_MINUTE: Final = 60
SECONDS_PER_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class ErrorText:
    """The status code of an error page, its headline, and its advice; both as msgids."""

    status: HTTPStatus
    headline: str
    advice: str


CHECK_LINK: Final = N_("Check that the link is complete, or open the newest text once more.")
RETRY: Final = N_("Nothing was changed. Please try again in a moment.")
BAD_REQUEST: Final = ErrorText(
    HTTPStatus.BAD_REQUEST,
    N_("We could not read what your browser sent."),
    N_("Go back, load the page again, and try once more."),
)
UNEXPECTED: Final = ErrorText(
    HTTPStatus.INTERNAL_SERVER_ERROR, N_("Something went wrong on our side."), RETRY
)
UNAVAILABLE: Final = ErrorText(
    HTTPStatus.SERVICE_UNAVAILABLE, N_("This does not work just now."), RETRY
)
BY_STATUS: Final[dict[int, ErrorText]] = {
    each.status: each
    for each in (
        BAD_REQUEST,
        UNEXPECTED,
        UNAVAILABLE,
        ErrorText(
            HTTPStatus.FORBIDDEN,
            N_("Your session has expired."),
            N_("Load the page again, and send the form once more. Nothing was changed."),
        ),
        ErrorText(HTTPStatus.NOT_FOUND, N_("This page does not exist."), CHECK_LINK),
        ErrorText(HTTPStatus.GONE, N_("This is not kept any more."), CHECK_LINK),
        ErrorText(
            HTTPStatus.METHOD_NOT_ALLOWED,
            N_("This page cannot be opened this way."),
            N_("Open it by its link, and use the buttons on the page."),
        ),
        ErrorText(
            HTTPStatus.REQUEST_TIMEOUT,
            N_("Your browser took too long to send the form."),
            N_("Nothing was changed. Check your connection, and try again."),
        ),
        ErrorText(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            N_("That is too large."),
            N_("A picture may have 1 MB, a text 2,000 characters. Go back and send less."),
        ),
    )
}
BY_ERROR: Final[dict[type[ConsentTokensError], ErrorText]] = {
    NotFoundError: BY_STATUS[HTTPStatus.NOT_FOUND],
    ConflictError: ErrorText(
        HTTPStatus.CONFLICT,
        N_("This is not possible any more."),
        N_("It was answered or changed meanwhile. Under “My consents” you see how things stand."),
    ),
    InvalidError: ErrorText(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        N_("Something in the form is not right."),
        N_("Go back and check what you entered. Nothing was changed."),
    ),
}


def error_text(error: Exception) -> tuple[HTTPStatus, str, str]:
    """Return the status code, headline and advice of an error, in the language of the page."""
    if isinstance(error, TooManyRequestsError):
        advice = _("Please try again in %(time)s.", time=duration(error.retry_after))
        return HTTPStatus.TOO_MANY_REQUESTS, _("Too many attempts."), advice
    text = _text_of(error)
    return text.status, _(text.headline), _(text.advice)


def duration(seconds: int) -> str:
    """Return a waiting time in words: seconds, minutes or hours, rounded up."""
    if seconds < SECONDS_PER_MINUTE:
        return str(ngettext("%(n)s second", "%(n)s seconds", seconds, n=seconds))
    if seconds < SECONDS_PER_HOUR:
        minutes = ceil(seconds / SECONDS_PER_MINUTE)
        return str(ngettext("%(n)s minute", "%(n)s minutes", minutes, n=minutes))
    hours = ceil(seconds / SECONDS_PER_HOUR)
    return str(ngettext("%(n)s hour", "%(n)s hours", hours, n=hours))


def _text_of(error: Exception) -> ErrorText:
    if isinstance(error, HTTPException):
        return BY_STATUS.get(error.code or 500) or _unlisted(error.code or 500)
    if isinstance(error, ConsentTokensError):
        return next((BY_ERROR[kind] for kind in type(error).mro() if kind in BY_ERROR), UNAVAILABLE)
    return UNEXPECTED


def _unlisted(code: int) -> ErrorText:
    """Return the text of a status code without one of its own."""
    like = BAD_REQUEST if code < HTTPStatus.INTERNAL_SERVER_ERROR else UNEXPECTED
    return ErrorText(HTTPStatus(code), like.headline, like.advice)
