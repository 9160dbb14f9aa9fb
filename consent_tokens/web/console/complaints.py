"""`/console/complaints`: the queue, the evidence on each complaint, and its decision."""

from datetime import timedelta
from http import HTTPStatus
from typing import Final

from flask import Response, abort, request
from flask_babel import gettext as _
from flask_babel import ngettext

from consent_tokens.errors import InvalidError
from consent_tokens.services.admission.actors import MAX_REASON_LENGTH
from consent_tokens.services.pictures import KEPT_TYPE
from consent_tokens.services.supervision import complaint_queue
from consent_tokens.services.supervision.complaint_evidence import gather_evidence
from consent_tokens.services.supervision.complaint_queue import Additions, QueueEntry, QueuePart
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.record_labels import (
    complaint_status_name,
    ground_option,
    verdict_name,
)
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import Column, csv_response, table_of, table_query
from consent_tokens.web.consumer.complaint_labels import complaint_reason_label
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import runtime

bp = console_blueprint("complaints", OPERATOR)

SOON: Final = timedelta(days=1)  # before it is due a complaint is marked


@bp.get("/complaints")
def show() -> Response:
    """List a part of the queue."""
    wanted = request.args.get("part", "")
    part = QueuePart(wanted) if wanted in set(QueuePart) else QueuePart.OPEN
    is_decided = part is QueuePart.DECIDED
    columns = [
        Column[QueueEntry]("reason", _("Complaint"), _reason_of),
        Column[QueueEntry]("merchant", _("Merchant"), lambda each: each.merchant),
        Column[QueueEntry](
            "verdict", _("The records say"), lambda each: verdict_name(each.complaint.verdict)
        ),
        Column[QueueEntry](
            "status", _("Status"), lambda each: complaint_status_name(each.complaint.status)
        ),
        Column[QueueEntry]("owner", _("Owner"), lambda each: each.owner),
        Column[QueueEntry](
            "time",
            _("Decided") if is_decided else _("Decide by"),
            lambda each: each.complaint.changed_at if is_decided else each.complaint.decide_by,
        ),
    ]
    query = table_query(sort="-time" if is_decided else "time", columns=columns, more=["part"])
    view = table_of(complaint_queue.list_queue(runtime(), person().id, part), columns, query)
    if query.is_csv:
        return csv_response("complaints", view)
    return page(
        "console/complaints.html",
        complaints=view,
        part=part,
        parts=[
            (QueuePart.OPEN, _("Undecided")),
            (QueuePart.MINE, _("Yours")),
            (QueuePart.DECIDED, _("Decided")),
        ],
        soon=runtime().clock.now() + SOON,
    )


def _reason_of(entry: QueueEntry) -> str:
    return complaint_reason_label(entry.complaint.reason)


@bp.get("/complaints/<complaint_id>")
def show_complaint(complaint_id: str) -> Response:
    """Show one complaint with its evidence, and the forms of its owner."""
    return _complaint_page(complaint_id)


def _complaint_page(
    complaint_id: str, errors: dict[str, str] | None = None, additions: Additions | None = None
) -> Response:
    found = gather_evidence(runtime(), complaint_id)
    return page(
        "console/complaint.html",
        found=found,
        complaint=found.complaint,
        additions=additions,
        is_mine=found.complaint.owner_id == person().id,
        grounds=[
            (each.value, ground_option(each))
            for each in complaint_queue.offered_grounds(found.complaint)
        ],
        now=runtime().clock.now(),
        errors=errors or {},
        entered=request.form,
        max_remark=MAX_REASON_LENGTH,
    )


@bp.post("/complaints/<complaint_id>/take")
def take(complaint_id: str) -> Response:
    """Become the owner of a complaint."""
    complaint_queue.take(runtime(), person().actor, complaint_id)
    set_done(_("This complaint is yours. Decide it, or give it back."))
    return _to(complaint_id)


@bp.post("/complaints/<complaint_id>/release")
def release(complaint_id: str) -> Response:
    """Give a complaint back to the queue."""
    complaint_queue.release(runtime(), person().actor, complaint_id)
    set_done(_("This complaint is back in the queue."))
    return _to(complaint_id)


@bp.post("/complaints/<complaint_id>/additions")
def read_additions(complaint_id: str) -> Response:
    """Show its owner what the consumer added, once: reading is recorded, so it is no link."""
    found = complaint_queue.read_additions(runtime(), person().actor, complaint_id)
    return _complaint_page(complaint_id, additions=found)


@bp.post("/complaints/<complaint_id>/picture")
def read_picture(complaint_id: str) -> Response:
    """Show its owner the picture that the consumer added."""
    picture = complaint_queue.read_picture(runtime(), person().actor, complaint_id)
    if not picture:
        abort(HTTPStatus.NOT_FOUND)
    return Response(picture, content_type=KEPT_TYPE)


@bp.post("/complaints/<complaint_id>/decision")
def decide(complaint_id: str) -> Response:
    """Decide a complaint, and those that are decided with it."""
    try:
        decided, count = complaint_queue.decide(
            runtime(),
            person().actor,
            complaint_id,
            ground=text("ground"),
            remark=text("remark", MAX_REASON_LENGTH + 1),
        )
    except InvalidError as error:
        words = {
            "ground": _("Choose why."),
            "reason": _("Write why, in at most %(n)s characters.", n=MAX_REASON_LENGTH),
        }
        errors = {
            "remark" if name == "reason" else name: words.get(name, words["reason"])
            for name in error.fields
        }
        return _complaint_page(complaint_id, errors)
    set_done(
        ngettext(
            "%(n)s complaint was decided: %(status)s.",
            "%(n)s complaints were decided: %(status)s.",
            count,
            n=count,
            status=complaint_status_name(decided.status),
        )
    )
    return _to(complaint_id)


def _to(complaint_id: str) -> Response:
    return redirect_to("console_complaints.show_complaint", complaint_id=complaint_id)
