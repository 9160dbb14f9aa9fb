"""One-time codes on the consumer's pages: the number field, sending a code, and their errors."""

from dataclasses import dataclass
from math import ceil
from typing import Final

from flask import Response, request, session
from flask_babel import gettext as _

from consent_tokens.consent.number_check import (
    NumberFault,
    NumberRules,
    check_number,
    masked_number,
)
from consent_tokens.consent.one_time_code import CodeUse
from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.localization import N_
from consent_tokens.services.number_verification import (
    ChallengeSecret,
    read_sent_code,
    send_code,
    verified_number,
)
from consent_tokens.services.otp_limits import (
    PROOF_SECONDS,
    Asker,
    CodeRequest,
    issue_proof,
    next_code_at,
)
from consent_tokens.web.consumer import page
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.request_context import app_context, client_ip, runtime
from consent_tokens.web.security import read_cookie, set_cookie
from consent_tokens.web.security_headers import allow_script

PROOF_COOKIE: Final = "proof"  # of a number that this browser proved before
CODE_ERROR: Final = "code_error"  # key of the cookie session
NUMBER_FAULTS: Final[dict[NumberFault, str]] = {
    NumberFault.NOT_A_NUMBER: N_("This does not look like a phone number."),
    NumberFault.TOO_SHORT: N_("Digits are missing: this number is too short."),
    NumberFault.TOO_LONG: N_("This number has too many digits."),
    NumberFault.NO_SUCH_NUMBER: N_("There is no such number. Please check the digits."),
    NumberFault.WITHOUT_COUNTRY_CODE: N_(
        "Is this a number from abroad? Then begin with + and the country code."
    ),
    NumberFault.NOT_FOR_TEXTS: N_("We cannot text this kind of number. Use a mobile number."),
    NumberFault.LANDLINE: N_(
        "This looks like a landline. Use a mobile number, or confirm below that it gets texts."
    ),
    NumberFault.COUNTRY_NOT_SERVED: N_("We cannot text numbers of this country."),
}


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """The code that a page waits for: its masked number, and seconds until another may be sent."""

    number: str
    seconds_to_next: int


def entered_number() -> PhoneNumber | NumberFault:
    """Return the phone number in the field `phone`, or what is wrong with it."""
    policy = app_context().otp
    return check_number(
        request.form.get("phone", ""),
        NumberRules(policy.default_region, policy.countries),
        is_confirmed=request.form.get("can_receive") == "1",
    )


def number_errors(fault: NumberFault) -> dict[str, str]:
    """Return the error of a number field; with `landline`, it can be confirmed."""
    errors = {"phone": _(NUMBER_FAULTS[fault])}
    return errors | ({"landline": errors["phone"]} if fault is NumberFault.LANDLINE else {})


def asker() -> Asker:
    """Return the browser of this request, for the limits of codes."""
    return Asker(client_ip(), read_cookie(PROOF_COOKIE))


def code_request(number: PhoneNumber) -> CodeRequest:
    """Return what the limits of a code to this number, asked for by this browser, depend on."""
    return CodeRequest.of(runtime(), app_context().otp, number, asker())


def send_code_to(number: PhoneNumber, use: CodeUse, requested_language: str | None = None) -> str:
    """Send a code to a number; return the challenge secret for this browser to keep.

    `requested_language` is the one that a merchant's request names, if there is such a request.
    Raises TooManyRequestsError.
    """
    secret = send_code(
        runtime(),
        app_context().otp,
        number,
        use,
        language=language(requested_language),
        asker=asker(),
    )
    return secret.to_text()


def remember_number(response: Response, secret: ChallengeSecret | None) -> Response:
    """Give this browser the proof of the number that its challenge has just verified."""
    number = verified_number(runtime(), secret)
    if number is not None:
        set_cookie(response, PROOF_COOKIE, issue_proof(runtime(), number), PROOF_SECONDS)
    return response


def verified_masked_number(secret: ChallengeSecret | None) -> str | None:
    """Return the masked number that this browser's challenge has verified; None without one."""
    number = verified_number(runtime(), secret)
    return masked_number(number) if number else None


def code_page(
    template: str, status: int = 200, *, waiting: WaitingFor | None, **members: object
) -> Response:
    """Return a page with the field for a code; a script counts down to when there may be another.

    Without the script the page says how long that is.
    """
    response = page(template, status, waiting=waiting, **members)
    return allow_script(response) if waiting and waiting.seconds_to_next else response


def waiting_for(secret_text: str) -> WaitingFor | None:
    """Return the code that this browser waits for; None if it is too old, or cannot be used."""
    sent = read_sent_code(runtime(), ChallengeSecret.from_text(secret_text))
    if sent is None:
        return None
    asked = code_request(sent.number)
    wait = next_code_at(asked) - asked.now
    return WaitingFor(masked_number(sent.number), seconds_to_next=ceil(wait.total_seconds()))


def waits_for_code_to(number: PhoneNumber, secret_text: str) -> bool:
    """Whether this browser waits for a code to this number, and may not ask for another yet."""
    sent = read_sent_code(runtime(), ChallengeSecret.from_text(secret_text))
    if sent is None or sent.number != number:
        return False
    asked = code_request(number)
    return next_code_at(asked) > asked.now


def keep_code_error() -> None:
    """Remember a wrong code for the page after the redirect."""
    session[CODE_ERROR] = True


def take_code_errors() -> dict[str, str]:
    """Return the error of the code that was entered before this page; empty if there was none."""
    return code_errors() if session.pop(CODE_ERROR, False) else {}


def code_errors() -> dict[str, str]:
    """Return the error of a code field."""
    return {"code": _("This code is wrong or too old. You can ask for a new one.")}
