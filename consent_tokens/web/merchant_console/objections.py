"""`/merchant/objections`: decisions against the merchant, and what it says against them."""

from collections.abc import Mapping

from flask import Response
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError
from consent_tokens.services.admission.actors import MAX_REASON_LENGTH
from consent_tokens.services.people import objections
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.labels import class_label
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.merchant_console.overview import merchant_id
from consent_tokens.web.request_context import runtime

bp = console_blueprint("objections", MERCHANT)


@bp.get("/objections")
def show() -> Response:
    """Show what can be objected to, and what became of earlier objections."""
    return _objections_page({})


@bp.post("/objections")
def object_to() -> Response:
    """Object to a decision, once."""
    review_id = text("decision", 40)
    words = text("words", MAX_REASON_LENGTH + 1).replace("\r\n", "\n")
    try:
        objections.object_to(runtime(), merchant_id(), person().id, review_id, words)
    except InvalidError:
        fault = _("Write 1 to %(most)s characters.", most=MAX_REASON_LENGTH)
        return _objections_page({f"{review_id}-words": fault})
    set_done(_("Your objection was filed. Somebody else than who decided decides it."))
    return redirect_to("merchant_objections.show")


def _objections_page(errors: Mapping[str, str]) -> Response:
    return page(
        "merchant/objections.html",
        errors=errors,
        decisions=objections.list_objectionable(runtime(), merchant_id()),
        filed=objections.list_objections(runtime(), merchant_id()),
        within=objections.OBJECTION_WITHIN,
        max_words=MAX_REASON_LENGTH,
        kind_label=kind_label,
        class_label=class_label,
    )


def kind_label(kind: str) -> str:
    """Return what a decision against a merchant is about."""
    labels = {
        "template": _("Template that was refused"),
        "sender": _("Sender that was refused"),
        "suspension": _("Suspension"),
    }
    return str(labels[kind])
