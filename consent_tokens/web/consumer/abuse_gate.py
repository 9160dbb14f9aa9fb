"""Before a code goes out while somebody pumps: work for browsers with script, else patience."""

from flask import Response, request

from consent_tokens.services.pumping_protection import (
    has_waited,
    has_worked,
    ticket_for,
    wants_work,
    work_for,
)
from consent_tokens.web.consumer import page
from consent_tokens.web.request_context import client_address, world
from consent_tokens.web.security import allow_script

OWN = frozenset({"csrf", "work", "ticket"})


def let_in() -> bool:
    """Whether this form may send a code: in calm times always."""
    if not wants_work(world()):
        return True
    if solution := request.form.get("work", ""):
        return has_worked(world(), solution)
    ticket = request.form.get("ticket", "")
    return bool(ticket) and has_waited(world(), ticket)


def work_page(action: str) -> Response:
    """Ask for work or patience, and hand in the same form again after it."""
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in OWN]
    answer = page(
        "work.html",
        429,
        action=action,
        fields=fields,
        work=work_for(world()),
        ticket=ticket_for(world(), client_address()),
    )
    answer.headers["Retry-After"] = "60"
    return allow_script(answer)
