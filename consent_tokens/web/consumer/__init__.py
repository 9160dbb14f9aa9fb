"""The consumer's pages: semantic HTML, one stylesheet, no script unless a page needs one."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, Concatenate, ParamSpec

import structlog
from flask import Blueprint, Response, make_response, redirect, render_template, session, url_for
from werkzeug.exceptions import HTTPException

from consent_tokens.errors import TooManyRequestsError
from consent_tokens.services.consumer_sessions import recipient_of
from consent_tokens.web.consumer.error_texts import error_text
from consent_tokens.web.request_context import runtime
from consent_tokens.web.security import check_csrf

log = structlog.get_logger()

P = ParamSpec("P")

SESSION_SECRET = "session_secret"  # noqa: S105 - a key of the cookie session, not a secret
RESULT = "result"  # key of the cookie session: what the last form did, for the next page


def blueprint(name: str, guard: Callable[[], None] = check_csrf) -> Blueprint:
    """Return a blueprint of pages: `guard` rejects forged forms, errors are pages."""
    bp = Blueprint(name, __name__)
    bp.before_request(guard)
    bp.register_error_handler(Exception, error_page)
    return bp


def signed_in_recipient() -> int | None:
    """Return the partition of the consumer who is signed in with this browser, if one is."""
    return recipient_of(runtime(), session.get(SESSION_SECRET))


def for_signed_in(view: Callable[Concatenate[int, P], Response]) -> Callable[P, Response]:
    """Give a view the partition of the consumer who is signed in; others go to the sign-in form."""

    @wraps(view)
    def signed_in_view(*args: P.args, **kwargs: P.kwargs) -> Response:
        partition = signed_in_recipient()
        if partition is None:
            return redirect_after_post("my.show")
        return view(partition, *args, **kwargs)

    return signed_in_view


def page(template: str, status: int = 200, **members: object) -> Response:
    """Return a page."""
    return make_response(render_template(template, **members), status)


def redirect_after_post(endpoint: str, **values: Any) -> Response:  # noqa: ANN401 - as url_for takes them
    """Redirect after a form (303), so that reloading does not submit it again."""
    return make_response(redirect(url_for(endpoint, **values), HTTPStatus.SEE_OTHER))


def set_result(action: str, **details: Any) -> None:  # noqa: ANN401 - what JSON holds
    """Keep what a form did, for the page after the redirect."""
    session[RESULT] = {"action": action, **details}


def take_result() -> dict[str, Any] | None:
    """Return what the form before this page did, once; None if there was none."""
    result: dict[str, Any] | None = session.pop(RESULT, None)
    return result


def error_page(error: Exception) -> Response:
    """Return the page of an error, which reveals nothing of the service's inside."""
    status, headline, advice = error_text(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, HTTPException):
        log.error("page_failed", fault=type(error).__name__)
    response = page("error.html", status, headline=headline, advice=advice)
    if isinstance(error, TooManyRequestsError):
        response.headers["Retry-After"] = str(error.retry_after)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "1"
    return response
