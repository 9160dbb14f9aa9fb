"""`/console/reviews/applications/ID`: an application of a merchant is decided."""

from collections.abc import Mapping
from typing import Final

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.services.admission import applications
from consent_tokens.services.admission.documents import content_type, read_document
from consent_tokens.services.admission.merchant_file import read_merchant_file
from consent_tokens.services.admission.review_queue import ReviewKind
from consent_tokens.web.console.reasons import reason_errors, stated_reason
from consent_tokens.web.console.review_pages import review_page
from consent_tokens.web.console.reviews import BLUEPRINTS
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import runtime

bp = BLUEPRINTS["applications"]
ONE: Final = "/reviews/applications/<merchant_id>"


@bp.get(ONE)
def show_one(merchant_id: str) -> Response:
    """Show an application: what was submitted, documents, twins, and the forms that decide."""
    return _application_page(merchant_id, {})


def _application_page(merchant_id: str, errors: Mapping[str, str]) -> Response:
    found = read_merchant_file(runtime(), merchant_id)
    application = found.review.application
    if application is None:
        raise NotFoundError("no merchant of that id has applied")
    operator = runtime().service.operator
    return review_page(
        "console/application.html",
        id_=merchant_id,
        kinds=(ReviewKind.APPLICATIONS,),
        errors=errors,
        file=found,
        application=application,
        checked_by=operator.legal_name or runtime().service.name,
        named_purposes=[
            each
            for each in Purpose
            if each.needs_own_admission and each.purpose_class in application.classes
        ],
    )


@bp.post(f"{ONE}/approve")
def approve(merchant_id: str) -> Response:
    """Admit a merchant, and show its first API key once."""
    try:
        admitted = applications.approve(
            runtime(),
            person().actor,
            merchant_id,
            checked_by=text("checked_by", 100),
            classes=frozenset(map(PurposeClass, _ticked("class", PurposeClass))),
            purposes=frozenset(map(Purpose, _ticked("purpose", Purpose))),
        )
    except InvalidError as error:
        return _application_page(merchant_id, reason_errors(error, "approve"))
    return page("console/admitted.html", merchant=admitted.merchant, api_key=admitted.api_key)


def _ticked(name: str, known: type[PurposeClass] | type[Purpose]) -> list[str]:
    return [each.value for each in known if each.value in request.form.getlist(name)]


@bp.post(f"{ONE}/return")
def send_back(merchant_id: str) -> Response:
    """Send an application back, to be mended."""
    try:
        reason = stated_reason("return")
        applications.return_application(runtime(), person().actor, merchant_id, reason)
    except InvalidError as error:
        return _application_page(merchant_id, reason_errors(error, "return"))
    set_done(_("The application was sent back."))
    return redirect_to("console_applications.show")


@bp.post(f"{ONE}/refuse")
def refuse(merchant_id: str) -> Response:
    """Refuse a merchant, and delete its documents."""
    try:
        reason = stated_reason("refuse_application")
        applications.refuse(runtime(), person().actor, merchant_id, reason)
    except InvalidError as error:
        return _application_page(merchant_id, reason_errors(error, "refuse"))
    set_done(_("The application was refused, and its documents were deleted."))
    return redirect_to("console_applications.show")


@bp.get("/documents/<document_id>")
def download(document_id: str) -> Response:
    """Return a document of an application."""
    found = read_document(runtime(), person().actor, document_id)
    kind = content_type(found.content) or "application/octet-stream"
    response = Response(found.content, content_type=kind)
    suffix = kind.partition("/")[2]
    response.headers["Content-Disposition"] = f'attachment; filename="{document_id}.{suffix}"'
    return response
