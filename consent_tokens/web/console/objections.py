"""`/console/reviews/objections/ID`: what a merchant says against a refusal or suspension."""

from collections.abc import Mapping
from typing import Final

from flask import Response, url_for
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError
from consent_tokens.relay.admission.objections import ObjectionKind
from consent_tokens.relay.templates.moves import AppealStatus
from consent_tokens.services.admission.actors import Action, may
from consent_tokens.services.admission.review_queue import ReviewKind
from consent_tokens.services.admission.template_moves import APPEAL_DECISIONS
from consent_tokens.services.people import objections
from consent_tokens.web.console.reasons import reason_errors, stated_reason
from consent_tokens.web.console.review_pages import review_page
from consent_tokens.web.console.reviews import BLUEPRINTS
from consent_tokens.web.consoles.pages import redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import runtime

bp = BLUEPRINTS["appeals"]
ONE: Final = "/reviews/objections/<objection_id>"


@bp.get(ONE)
def show_one(objection_id: str) -> Response:
    """Show an objection, and the decision that it is to."""
    return _objection_page(objection_id, {})


@bp.post(ONE)
def decide(objection_id: str) -> Response:
    """Uphold or dismiss an objection."""
    try:
        decision, reason = _decision(), stated_reason("objection")
        objections.decide(runtime(), person().actor, objection_id, decision, reason)
    except InvalidError as error:
        return _objection_page(objection_id, reason_errors(error, "objection"))
    set_done(_("The objection was decided."))
    return redirect_to("console_appeals.show")


def _decision() -> AppealStatus:
    entered = text("decision", 16)
    if entered not in APPEAL_DECISIONS:
        raise InvalidError({"decision": ["unknown"]})
    return AppealStatus(entered)


def _objection_page(objection_id: str, errors: Mapping[str, str]) -> Response:
    objection, merchant, review = objections.read_objection(runtime(), objection_id)
    is_suspension = objection.kind is ObjectionKind.SUSPENSION
    return review_page(
        "console/objection.html",
        id_=objection_id,
        kinds=(ReviewKind.OBJECTIONS,),
        errors=errors,
        objection=objection,
        merchant=merchant,
        review=review,
        subject_url=_subject_url(objection.kind, objection.subject_id, merchant.id),
        may_uphold=not is_suspension or may(person().actor, Action.RESTORE),
    )


def _subject_url(kind: ObjectionKind, subject_id: str, merchant_id: str) -> str:
    match kind:
        case ObjectionKind.TEMPLATE:
            template_id = subject_id.partition(":")[0]
            return url_for("console_templates.show_one", template_id=template_id)
        case ObjectionKind.SENDER:
            return url_for("console_sender_applications.show_one", sender_id=subject_id)
        case ObjectionKind.SUSPENSION:
            return url_for("console_merchants.show_one", merchant_id=merchant_id)
