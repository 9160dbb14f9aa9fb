"""One-time codes on the consumer's pages: the number field, sending a code, and their errors."""

from flask import request
from flask_babel import gettext as _

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.errors import InvalidError
from consent_tokens.services.number_verification import parse_phone_input, send_code
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.request_context import app_context, client_ip, runtime


def entered_number() -> PhoneNumber | None:
    """Return the phone number in the field `phone`; None if it is none."""
    try:
        return parse_phone_input(app_context().otp, request.form.get("phone", ""))
    except InvalidError:
        return None


def send_code_to(number: PhoneNumber, intent: str, requested_language: str | None = None) -> str:
    """Send a code to a number; return the challenge secret for this browser to keep.

    `requested_language` is the one that a merchant's request names, if there is such a request.
    """
    secret = send_code(
        runtime(),
        app_context().otp,
        number,
        intent=intent,
        language=language(requested_language),
        client_ip=client_ip(),
    )
    return secret.to_text()


def number_errors() -> dict[str, str]:
    """Return the error of a number field."""
    return {"phone": _("This does not look like a phone number.")}


def code_errors() -> dict[str, str]:
    """Return the error of a code field."""
    return {"code": _("This code is wrong or too old. You can ask for a new one.")}
