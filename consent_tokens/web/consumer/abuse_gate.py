"""During SMS pumping, ask for a proof of work, or without script for a waiting time."""

from typing import Final

from flask import Response, request

from consent_tokens.services.pumping_protection import (
    create_challenge,
    is_challenge_solved,
    is_waiting_over,
    issue_waiting_ticket,
    requires_challenge,
)
from consent_tokens.web.consumer import page
from consent_tokens.web.request_context import app_context, client_ip, runtime
from consent_tokens.web.security import allow_script

GATE_FIELDS: Final = frozenset({"csrf", "work", "ticket"})
RETRY_AFTER_SECONDS: Final = "60"


def may_send_code() -> bool:
    """Whether this form may send a code: always, unless SMS pumping was detected."""
    if not requires_challenge(runtime(), app_context().otp.rate_limits):
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
