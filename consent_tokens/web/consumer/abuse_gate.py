"""Before a code is sent during SMS pumping: a proof of work, or without script a waiting time."""

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

GATE_FIELDS = frozenset({"csrf", "work", "ticket"})


def may_send_code() -> bool:
    """Whether this form may send a code: always, unless codes are being pumped."""
    if not requires_challenge(runtime(), app_context().otp.rate_limits):
        return True
    if solution := request.form.get("work", ""):
        return is_challenge_solved(runtime(), solution)
    ticket = request.form.get("ticket", "")
    return bool(ticket) and is_waiting_over(runtime(), ticket)


def challenge_page(action: str) -> Response:
    """Ask for a proof of work or a waiting time, then submit the same form again."""
    fields = [
        (name, value) for name, value in request.form.items(multi=True) if name not in GATE_FIELDS
    ]
    answer = page(
        "work.html",
        429,
        action=action,
        fields=fields,
        work=create_challenge(runtime()),
        ticket=issue_waiting_ticket(runtime(), client_ip()),
    )
    answer.headers["Retry-After"] = "60"
    return allow_script(answer)
