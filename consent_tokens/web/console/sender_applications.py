"""`/console/reviews/senders/ID`: an application for a sender is decided."""

from collections.abc import Mapping
from typing import Final

from flask import Response
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError
from consent_tokens.services.admission import sender_applications
from consent_tokens.services.admission.review_queue import ReviewKind
from consent_tokens.services.admission.sender_file import read_sender_file
from consent_tokens.web.console.reasons import reason_errors, stated_reason
from consent_tokens.web.console.review_pages import review_page
from consent_tokens.web.console.reviews import BLUEPRINTS
from consent_tokens.web.consoles.pages import redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.request_context import runtime

bp = BLUEPRINTS["sender_applications"]
ONE: Final = "/reviews/senders/<sender_id>"


@bp.get(ONE)
def show_one(sender_id: str) -> Response:
    """Show an application for a sender, and what stands in its way."""
    return _sender_page(sender_id, {})


def _sender_page(sender_id: str, errors: Mapping[str, str]) -> Response:
    found = read_sender_file(runtime(), sender_id)
    return review_page(
        "console/sender_application.html",
        id_=sender_id,
        kinds=(ReviewKind.SENDERS,),
        errors=errors,
        file=found,
        faults=reason_errors(InvalidError(found.faults), "approve") if found.faults else {},
    )


@bp.post(f"{ONE}/approve")
def approve(sender_id: str) -> Response:
    """Admit a sender that a merchant applied for."""
    try:
        admitted = sender_applications.approve(runtime(), person().actor, sender_id)
    except InvalidError as error:
        return _sender_page(sender_id, reason_errors(error, "approve"))
    set_done(_("%(sender)s was admitted.", sender=admitted.source))
    return redirect_to("console_sender_applications.show")


@bp.post(f"{ONE}/refuse")
def refuse(sender_id: str) -> Response:
    """Refuse a sender that a merchant applied for."""
    try:
        reason = stated_reason("refuse_sender")
        sender_applications.refuse(runtime(), person().actor, sender_id, reason)
    except InvalidError as error:
        return _sender_page(sender_id, reason_errors(error, "refuse"))
    set_done(_("The sender was refused."))
    return redirect_to("console_sender_applications.show")
