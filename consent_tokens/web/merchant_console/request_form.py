"""The form of what customers are asked for: of one request, and of a poster."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from flask import request
from flask_babel import gettext as _
from marshmallow import ValidationError

from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import AskedTerms
from consent_tokens.consent.scope import MAX_DAYS, MAX_MESSAGES
from consent_tokens.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    InvitationRefusedError,
    RuleForbidsError,
    TooManyOpenError,
)
from consent_tokens.services.consents import requests
from consent_tokens.services.merchant_records import read_merchant
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.merchant_api.schemas import ConsentRequestIn
from consent_tokens.web.merchant_console.overview import merchant_id
from consent_tokens.web.request_context import runtime

Created = TypeVar("Created")

NUMBERS: Final = ("max_messages", "per_days", "expires_in_days")
TEXTS: Final = ("from", "to", "reference", "return_url", "locale")


@dataclass(frozen=True, slots=True)
class FieldErrors:
    """What is wrong with a form, in words by field."""

    words: dict[str, str]


def try_to_ask(work: Callable[[AskedTerms], Created]) -> Created | FieldErrors:
    """Return what `work` makes of the entered terms, or what is wrong with the form.

    Raises TooManyOpenError as `work` does.
    """
    try:
        asked, _token = ConsentRequestIn().load(_members())
    except ValidationError as error:
        return FieldErrors(_field_errors(error.messages_dict))
    try:
        with requests.recorded_refusals(runtime(), merchant_id()):
            return work(asked)
    except RuleForbidsError as error:
        words = {each["id"]: each["words"] for each in error.rules}
        return FieldErrors({name: words[ids[0]] for name, ids in error.fields.items()})
    except InvalidError as error:
        return FieldErrors(_field_errors(error.fields))
    except InvitationRefusedError:
        return FieldErrors({"reference": _("This customer was asked before and cannot be asked "
                                           "again for a while.")})  # fmt: skip
    except TooManyOpenError:
        raise
    except (ForbiddenError, ConflictError):
        return FieldErrors({"purposes": _("The platform does not let you ask at present.")})


def form_members() -> dict[str, Any]:
    """Return what the fields of the form show."""
    merchant = read_merchant(runtime(), merchant_id())
    return {
        "purposes": [each for each in Purpose if merchant.may_use(each)],
        "chosen": request.form.getlist("purposes"),
        "entered": {name: text(name) for name in (*NUMBERS, *TEXTS, "name", "days")},
        "locale": text("locale") or language(),
    }


def _members() -> dict[str, Any]:
    """Return what was entered, with the names of the API; what is empty is left to the rules."""
    members: dict[str, Any] = {"purposes": request.form.getlist("purposes")}
    for name in (*NUMBERS, *TEXTS):
        entered = text(name)
        if entered:
            members[name] = int(entered) if name in NUMBERS and _is_number(entered) else entered
    return members


def _is_number(entered: str) -> bool:
    return entered.isascii() and entered.isdigit() and len(entered) < 7  # noqa: PLR2004 - digits


def _field_errors(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with each field, in words."""
    words = {
        "name": _("Use one line of up to %(most)s characters.", most=60),
        "days": _("Enter a whole number of days from 1 to %(most)s.", most=365),
        "purposes": _("Choose what you want to write about."),
        "max_messages": _("Enter a whole number from 1 to %(most)s.", most=MAX_MESSAGES),
        "per_days": _("Enter a whole number of days from 1 to %(most)s.", most=MAX_DAYS),
        "expires_in_days": _("Enter a whole number of days from 1 to 1825."),
        "from": _("Enter a time such as 09:00."),
        "to": _("Enter a time such as 21:00, later than the first."),
        "reference": _("Use up to 100 printable characters."),
        "return_url": _("Enter an address that begins with https://."),
    }
    return {name: words.get(name, str(_("This is not valid."))) for name in fields}
