"""`/console/support`: see the consents of a consumer who reads out a support code."""

from http import HTTPStatus
from typing import Final

from flask import Response
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError
from consent_tokens.services.supervision.support import help_consumer
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page
from consent_tokens.web.consoles.session import person
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import runtime

bp = console_blueprint("support", OPERATOR)

MAX_CODE: Final = 40  # characters, with blanks


@bp.get("/support")
def show() -> Response:
    """Show the form for the code."""
    return page("console/support.html", helped=None)


@bp.post("/support")
def help_with_code() -> Response:
    """Show what `/my` shows to whoever read out the code; it works once, so it is no link."""
    try:
        helped = help_consumer(runtime(), person().actor, text("code", MAX_CODE))
    except InvalidError:
        errors = {"code": _("This code is wrong, was used, or is older than ten minutes.")}
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return page("console/support.html", status, helped=None, errors=errors)
    return page("console/support.html", helped=helped, now=runtime().clock.now())
