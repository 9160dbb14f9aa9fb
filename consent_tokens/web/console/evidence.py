"""`/console/evidence`: ask for the evidence on a message or complaint, and download it."""

from typing import Final

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.services.supervision import evidence_export
from consent_tokens.web.console.reasons import reason_errors, reason_options, stated_reason
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import runtime

bp = console_blueprint("evidence", OPERATOR)

MAX_SUBJECT: Final = 60  # characters of a public id


@bp.get("/evidence")
def show() -> Response:
    """Show the form, and what was approved for whoever is signed in."""
    return _page(request.args.get("subject", "").replace("\0", "")[:MAX_SUBJECT])


def _page(subject: str, errors: dict[str, str] | None = None) -> Response:
    return page(
        "console/evidence.html",
        subject=subject,
        ready=evidence_export.downloadable(runtime(), person().actor),
        downloadable=evidence_export.DOWNLOADABLE,
        reason_options=reason_options,
        errors=errors or {},
    )


@bp.post("/evidence")
def propose() -> Response:
    """Ask for the evidence on a message or complaint; another operator approves it."""
    subject = text("subject", MAX_SUBJECT)
    try:
        reason = stated_reason("export")
        evidence_export.propose_export(runtime(), person().actor, subject, reason)
    except InvalidError as error:
        return _page(subject, reason_errors(error, "export"))
    except NotFoundError:
        return _page(subject, {"subject": _("There is no message or complaint of that id.")})
    set_done(_("Your proposal was recorded. Another administrator has to approve it."))
    return redirect_to("console_evidence.show")


@bp.post("/evidence/<proposal_id>")
def download(proposal_id: str) -> Response:
    """Download what was approved; it is recorded, so it is no link."""
    found = evidence_export.download(runtime(), person().actor, proposal_id)
    response = Response(found.content, content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{found.name}"'
    return response
