"""Before a code is sent: a proof of work, or without script a waiting time, where it is needed."""

from typing import Final

from flask import Response, request

from consent_tokens.consent.phone import PhoneNumber
from consent_tokens.services.otp_limits import is_number_limited
from consent_tokens.services.pumping_protection import (
    create_challenge,
    is_challenge_solved,
    is_waiting_over,
    issue_waiting_ticket,
    requires_challenge,
)
from consent_tokens.web.consumer import page
from consent_tokens.web.consumer.otp_forms import code_request
from consent_tokens.web.request_context import app_context, client_ip, runtime
from consent_tokens.web.security_headers import allow_script

GATE_FIELDS: Final = frozenset({"csrf", "work", "ticket"})
RETRY_AFTER_SECONDS: Final = "60"


def may_send_code(number: PhoneNumber) -> bool:
    """Whether this form may send a code to a number.

    During SMS pumping, and where very many codes were asked for the number, only with a solved
    challenge.
    """
    limits = app_context().otp.rate_limits
    is_limited = is_number_limited(code_request(number))
    if not requires_challenge(runtime(), limits) and not is_limited:
        return True
    if solution := request.form.get("work", ""):
        return is_challenge_solved(runtime(), solution)
    ticket = request.form.get("ticket", "")
    return bool(ticket) and is_waiting_over(runtime(), ticket)


def challenge_page(action: str) -> Response:
    """Return the page with a challenge, which then submits the same form again to `action`."""
    fields = [
        (name, value) for name, value in request.form.items(multi=True) if name not in GATE_FIELDS
    ]
    response = page(
        "challenge.html",
        429,
        action=action,
        fields=fields,
        work=create_challenge(runtime()),
        ticket=issue_waiting_ticket(runtime(), client_ip()),
    )
    response.headers["Retry-After"] = RETRY_AFTER_SECONDS
    return allow_script(response)
