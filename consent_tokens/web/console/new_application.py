"""`/console/applications`: enter what a company applies with, or mend what was sent back."""

from collections.abc import Mapping
from typing import Final

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.consent.purposes import PurposeClass
from consent_tokens.errors import ConflictError, InvalidError
from consent_tokens.services.admission import applications
from consent_tokens.services.admission.application_form import DEFAULT_CLASSES, ApplicationForm
from consent_tokens.services.admission.documents import MAX_DOCUMENT_BYTES, DocumentFile
from consent_tokens.services.admission.merchant_file import read_merchant_file
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.labels import class_label
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import runtime

bp = console_blueprint("new_application", OPERATOR)

# fields and how many characters each may have
FIELDS: Final[Mapping[str, int]] = {
    "name": 60, "legal_name": 200, "registration": 60, "country": 2, "contact": 200,
    "legal_person": 100, "website": 200, "licences": 400, "wanted_use": 1000,
    "link_domains": 8000, "amends": 40,
}  # fmt: skip


@bp.get("/applications/new")
def show_form() -> Response:
    """Show the form, empty or with what was sent back."""
    amends = request.args.get("amends", "").replace("\0", "")[: FIELDS["amends"]]
    entered = _sent_back(amends) if amends else {"country": "CN"}
    return _form_page(entered, DEFAULT_CLASSES, {})


def _sent_back(merchant_id: str) -> dict[str, str]:
    """Return what a merchant applied with. Raises NotFoundError."""
    found = read_merchant_file(runtime(), merchant_id)
    identity, application = found.merchant.identity, found.review.application
    given = {
        "amends": merchant_id,
        "name": found.merchant.name,
        "legal_name": identity.legal_name,
        "registration": identity.registration,
        "contact": identity.contact,
        "website": identity.website,
        "link_domains": "\n".join(found.review.link_domains),
        "country": application.country if application else None,
        "legal_person": application.legal_person if application else None,
        "licences": application.licences if application else None,
        "wanted_use": application.wanted_use if application else None,
    }
    return {name: each or "" for name, each in given.items()}


def _form_page(
    entered: Mapping[str, str], classes: frozenset[PurposeClass], errors: Mapping[str, str]
) -> Response:
    return page(
        "console/new_application.html",
        entered={name: entered.get(name, "") for name in FIELDS},
        classes=[(each.value, class_label(each), each in classes) for each in PurposeClass],
        errors=errors,
    )


@bp.post("/applications")
def submit() -> Response:
    """Submit the application: it waits for a decision, and sends nothing until it is approved."""
    entered = {name: text(name, length + 1) for name, length in FIELDS.items()}
    chosen = set(request.form.getlist("class"))
    classes = frozenset(each for each in PurposeClass if each.value in chosen)
    texts = {name: entered[name] or None for name in ("legal_person", "website", "licences")}
    form = ApplicationForm(
        name=entered["name"],
        legal_name=entered["legal_name"],
        registration=entered["registration"],
        contact=entered["contact"],
        country=entered["country"],
        classes=classes,
        wanted_use=entered["wanted_use"] or None,
        link_domains=entered["link_domains"].split(),
        documents=_documents(),
        **texts,
    )
    try:
        applied = applications.apply(
            runtime(), form, amends=entered["amends"] or None, actor_id=person().id
        )
    except InvalidError as error:
        return _form_page(entered, classes, _field_errors(error))
    except ConflictError:
        words = _("This application was not sent back: it cannot be mended.")
        return _form_page(entered, classes, {"name": words})
    set_done(_("The application was submitted. It waits for a decision."))
    return redirect_to("console_applications.show_one", merchant_id=applied.id)


def _documents() -> list[DocumentFile]:
    return [
        DocumentFile(each.filename, each.stream.read(MAX_DOCUMENT_BYTES + 1))
        for each in request.files.getlist("document")
        if each.filename
    ]


def _field_errors(error: InvalidError) -> dict[str, str]:
    words = {
        "name": _("Use one line of 1 to 60 characters."),
        "registration": _("This is no such number: look for a typing error."),
        "country": _("Enter two letters, such as CN."),
        "legal_name": _("Enter the name as it is registered."),
        "contact": _("Enter where consumers reach the company."),
        "website": _("Enter an address that begins with https://."),
        "class": _("Choose one or more."),
        "link_domain": _("One of these is no domain, or there are more than 100."),
        "document": _("Use PDF, PNG or JPEG of at most 5 MB, up to ten of one merchant."),
    }
    places = {"link_domain": "link_domains"}
    return {
        places.get(name, name): str(words.get(name, _("This is not valid.")))
        for name in error.fields
    }
