"""`/console/support`: see the consents of a consumer who reads out a support code."""

from typing import Final

from flask import Response
from flask_babel import gettext as _

from consent_tokens.errors import ConflictError, InvalidError
from consent_tokens.services.admission.merchant_file import operator_names
from consent_tokens.services.supervision import carrying_out, support
from consent_tokens.web.console.reasons import reason_errors, reason_options, stated_reason
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import runtime

bp = console_blueprint("support", OPERATOR)

MAX_CODE: Final = 40  # characters, with blanks
ONE: Final = "/support/<proposal_id>"


@bp.get("/support")
def show() -> Response:
    """Show the form for the code, and what colleagues ask."""
    return _form()


def _form(errors: dict[str, str] | None = None) -> Response:
    return page(
        "console/support.html",
        asked=support.requests_of_others(runtime(), person().actor),
        names=operator_names(runtime()),
        reason_options=reason_options,
        errors=errors or {},
    )


@bp.post("/support")
def ask() -> Response:
    """Ask a colleague to agree that the consents of whoever read out a code are shown."""
    try:
        reason = stated_reason("help")
        asked = support.ask_to_help(runtime(), person().actor, text("code", MAX_CODE), reason)
    except InvalidError as error:
        wrong = _("This code is wrong, was used, or is older than ten minutes.")
        errors = {"code": wrong} if "code" in error.fields else reason_errors(error, "help")
        return _form(errors)
    except ConflictError:
        return _form({"code": _("This code was entered already, by you or somebody else.")})
    return redirect_to("console_support.show_request", proposal_id=asked.id)


@bp.get(ONE)
def show_request(proposal_id: str) -> Response:
    """Show whether a colleague has agreed."""
    asked = support.find_request(runtime(), person().actor, proposal_id)
    return page(
        "console/support_request.html",
        asked=asked,
        is_open=asked.is_open_at(runtime().clock.now()),
    )


@bp.post(f"{ONE}/approve")
def approve(proposal_id: str) -> Response:
    """Agree that a colleague sees the consents of a consumer."""
    carrying_out.approve_and_carry_out(runtime(), person().actor, proposal_id)
    set_done(_("Your colleague can see the consents now, once."))
    return redirect_to("console_support.show")


@bp.post(f"{ONE}/consents")
def show_consents(proposal_id: str) -> Response:
    """Show what `/my` shows to whoever read out the code; it works once, so it is no link."""
    helped = support.help_consumer(runtime(), person().actor, proposal_id)
    return page("console/support_consents.html", helped=helped, now=runtime().clock.now())
