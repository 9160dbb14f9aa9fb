"""Before a code goes out while somebody pumps: work for browsers with script, else patience."""

from flask import Response, request

from consent_tokens.services.pumping_protection import (
    create_challenge,
    is_challenge_solved,
    is_waiting_over,
    issue_waiting_ticket,
    requires_challenge,
)
from consent_tokens.web.consumer import page
from consent_tokens.web.request_context import client_ip, world
from consent_tokens.web.security import allow_script

GATE_FIELDS = frozenset({"csrf", "work", "ticket"})


def may_send_code() -> bool:
    """Whether this form may send a code: in calm times always."""
    if not requires_challenge(world()):
        return True
    if solution := request.form.get("work", ""):
        return is_challenge_solved(world(), solution)
    ticket = request.form.get("ticket", "")
    return bool(ticket) and is_waiting_over(world(), ticket)


def challenge_page(action: str) -> Response:
    """Ask for work or patience, and hand in the same form again after it."""
    fields = [
        (name, value) for name, value in request.form.items(multi=True) if name not in GATE_FIELDS
    ]
    answer = page(
        "work.html",
        429,
        action=action,
        fields=fields,
        work=create_challenge(world()),
        ticket=issue_waiting_ticket(world(), client_ip()),
    )
    answer.headers["Retry-After"] = "60"
    return allow_script(answer)
