"""`/merchant/senders`: apply for ports and signatures, and see how they stand."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Response, request
from flask_babel import gettext as _
from marshmallow import ValidationError

from consent_tokens.errors import ConflictError, ForbiddenError, InvalidError, TooManyOpenError
from consent_tokens.relay.admission.sender_rules import (
    LIKE_AN_OFFER,
    MAX_SIGNATURE_LENGTH,
    SignatureSource,
)
from consent_tokens.services.admission import sender_applications, sender_standings
from consent_tokens.services.admission.sender_list import SenderStatus, end_of_day, read_sender
from consent_tokens.services.admission.sender_standings import SenderStanding
from consent_tokens.services.admission.senders import MAX_LENGTHS, PORT_TAKEN, new_sender
from consent_tokens.services.admission.signatures import TAKEN
from consent_tokens.services.merchant_records import read_merchant
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.labels import source_label, standing_label
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.consoles.tables import Column, csv_response, table_of, table_query
from consent_tokens.web.consumer.form_fields import day, text
from consent_tokens.web.merchant_api.sender_schemas import SenderIn
from consent_tokens.web.merchant_console.overview import merchant_id
from consent_tokens.web.request_context import runtime

bp = console_blueprint("senders", MERCHANT)
TEXTS: Final = (
    "port", "extension", "signature", "source", "evidence", "carrier", "licence", "filed_use",
    "valid_until",
)  # fmt: skip


@bp.get("/senders")
def show() -> Response:
    """List the senders, those that nobody has admitted too."""
    columns = [
        Column[SenderStanding]("port", _("Port"), lambda each: each.sender.source),
        Column[SenderStanding]("signature", _("Signature"), lambda each: each.sender.signature),
        Column[SenderStanding]("carrier", _("Carrier"), lambda each: each.sender.carrier),
        Column[SenderStanding]("status", _("Status"), lambda each: standing_label(each.status)),
        Column[SenderStanding](
            "valid_until", _("Valid until"), lambda each: each.sender.valid_until
        ),
        Column[SenderStanding]("since", _("Since"), lambda each: each.sender.admitted_at),
    ]
    query = table_query(sort="since", columns=columns)
    found = sender_standings.all_standings(runtime(), merchant_id())
    view = table_of(found, columns, query)
    return csv_response("senders", view) if query.is_csv else page(
        "merchant/senders.html", view=view, has_any=bool(found)
    )  # fmt: skip


@bp.get("/senders/new")
def show_form() -> Response:
    """Show the form that applies for a sender."""
    return _form_page({})


@bp.post("/senders")
def apply() -> Response:
    """Apply for a sender, as `POST /v1/senders` does."""
    try:
        port, extension, signature, details = SenderIn().load(_members())
        sender = new_sender(
            runtime(), merchant_id(),
            port=port, extension=extension, signature=signature, details=details,
        )  # fmt: skip
        runtime().database.run(
            lambda transaction: sender_applications.submit(
                runtime(), transaction, merchant_id(), sender, details, actor_id=person().id
            )
        )
    except ValidationError as error:
        return _form_page(_field_errors(error.messages_dict))
    except InvalidError as error:
        return _form_page(_field_errors(error.fields))
    except TooManyOpenError:
        most = sender_applications.MAX_UNDECIDED
        words = _("%(most)s of your applications await a decision. Wait until one is decided.",
                  most=most)  # fmt: skip
        return _form_page({"port": words})
    except (ForbiddenError, ConflictError):
        return _form_page({"port": _("The platform does not let you apply at present.")})
    set_done(_("You applied for the sender."))
    return redirect_to("merchant_senders.show_one", sender_id=sender.id)


@bp.get("/senders/<sender_id>")
def show_one(sender_id: str) -> Response:
    """Show a sender: whether it was admitted, for what, and until when."""
    standing = sender_standings.read_standing(runtime(), merchant_id(), sender_id)
    is_sender = standing.status in set(SenderStatus)
    return page(
        "merchant/sender.html",
        standing=standing,
        classes=standing.sender.classes or _merchant_classes(),
        pacing=read_sender(runtime(), sender_id).pacing if is_sender else None,
    )


def _merchant_classes() -> frozenset[str]:
    return frozenset(read_merchant(runtime(), merchant_id()).classes)


def _members() -> dict[str, Any]:
    """Return what was entered, with the names of the API. Raises InvalidError."""
    members: dict[str, Any] = {name: text(name) for name in TEXTS if text(name)}
    if classes := request.form.getlist("classes"):
        members["classes"] = classes
    if last_day := day("valid_until"):
        members["valid_until"] = end_of_day(last_day).isoformat()
    return members


def _form_page(errors: Mapping[str, str]) -> Response:
    return page(
        "merchant/new_sender.html",
        errors=errors,
        entered={name: text(name) for name in TEXTS},
        classes=sorted(_merchant_classes()),
        chosen=request.form.getlist("classes"),
        sources=[(each.value, source_label(each)) for each in SignatureSource],
    )


def _field_errors(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with each field, in words."""
    in_one_line = {
        name: _("Use one line of up to %(most)s characters.", most=most)
        for name, most in MAX_LENGTHS.items()
    }
    words = {
        **in_one_line,
        "port": _("Enter the 3 to 12 digits of the port."),
        "extension": _("Enter up to 8 digits, or nothing."),
        "signature": _(
            "Use one line of 1 to %(most)s characters with letters or digits.",
            most=MAX_SIGNATURE_LENGTH,
        ),
        "source": _("Choose what the signature is taken from."),
        "classes": _("Choose from what you are admitted for."),
        "valid_until": _("Enter a day in the future, at most 20 years from now."),
    }
    return {
        "evidence" if _lacks_evidence(said) else name: str(_said(said) or words[name])
        for name, said in fields.items()
    }


def _said(said: Any) -> str | None:  # noqa: ANN401 - as marshmallow nests it
    """Return words for what depends on others; None for what is wrong with the form."""
    first = str(said[0]) if isinstance(said, list) and said else ""
    known = {
        PORT_TAKEN: _("Another merchant has this port with this extension, or one that begins "
                      "like it, or had it less than 180 days ago."),
        TAKEN: _("Another merchant has this signature, or one that looks like it."),
        LIKE_AN_OFFER: _("It reads like an offer, or has digits, and is no name of yours."),
        "is the service's own, or overlaps it": _("The platform itself sends from this port."),
    }  # fmt: skip
    if _lacks_evidence(said):
        return str(_("Name the evidence, such as the number of the trademark."))
    return known.get(first)


def _lacks_evidence(said: Any) -> bool:  # noqa: ANN401 - as marshmallow nests it
    return isinstance(said, list) and bool(said) and str(said[0]).startswith("its source is")
