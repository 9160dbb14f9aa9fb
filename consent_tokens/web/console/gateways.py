"""`/console/gateways`: workers, gateways and queues; pause, resume and drain."""

from collections.abc import Mapping
from typing import Final

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.services.admission.merchant_file import operator_names
from consent_tokens.services.supervision import pauses
from consent_tokens.services.supervision.pauses import ALL, PausedKind
from consent_tokens.services.supervision.workers import (
    MAX_COUNTED,
    WorkerKind,
    read_operation,
)
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.request_context import runtime

bp = console_blueprint("gateways", OPERATOR)

MAX_FIELD: Final = 400  # characters
MAX_ID: Final = 40


@bp.get("/gateways")
def show() -> Response:
    """Show workers, gateways, queues and pauses."""
    return _page({}, {})


def _page(errors: Mapping[str, str], entered: Mapping[str, str]) -> Response:
    in_force = pauses.list_pauses(runtime())
    return page(
        "console/gateways.html",
        found=read_operation(runtime()),
        pauses=in_force,
        paused_ids={each.pause.subject_id for each in in_force},
        names=operator_names(runtime()),
        max_counted=MAX_COUNTED,
        all=ALL,
        errors=errors,
        entered=entered,
        worker_label=worker_label,
        priority_label=priority_label,
    )


@bp.post("/gateways/pause")
def pause() -> Response:
    """Pause everything, a merchant, a sender, or drain a dispatcher."""
    kind, subject_id = _subject()
    reason = request.form.get("reason", "").replace("\0", "")[: MAX_FIELD + 1]
    try:
        pauses.pause(runtime(), person().actor, kind, subject_id, reason)
    except InvalidError:
        errors = {f"{kind.value}-reason": _("Write why, in 1 to 400 characters.")}
        return _page(errors, {"id": subject_id})
    except NotFoundError:
        errors = {f"{kind.value}-id": _("There is none of this id.")}
        return _page(errors, {"id": subject_id, "reason": reason})
    set_done(_("It is paused. Dispatchers send nothing of it from their next round on."))
    return redirect_to("console_gateways.show")


@bp.post("/gateways/resume")
def resume() -> Response:
    """End a pause."""
    kind, subject_id = _subject()
    pauses.resume(runtime(), person().actor, kind, subject_id)
    set_done(_("It is resumed. What waits leaves with the next rounds."))
    return redirect_to("console_gateways.show")


def _subject() -> tuple[PausedKind, str]:
    """Return what a form is about. Raises NotFoundError for a kind that there is not."""
    named = request.form.get("kind", "")
    if named not in set(PausedKind):
        raise NotFoundError("no such kind")
    kind = PausedKind(named)
    subject_id = text("id", MAX_ID)
    return kind, ALL if kind is PausedKind.ALL else subject_id


def worker_label(kind: WorkerKind) -> str:
    """Return what a worker does."""
    labels = {
        WorkerKind.DISPATCHER: _("Dispatcher"),
        WorkerKind.WEBHOOKS: _("Webhooks"),
        WorkerKind.TEMPLATES: _("Values of templates"),
        WorkerKind.PACING: _("Pacing"),
        WorkerKind.ROLLUPS: _("Daily figures"),
        WorkerKind.CAMPAIGNS: _("Campaigns"),
    }
    return str(labels[kind])


def priority_label(priority: str) -> str:
    """Return the name of a queue of messages."""
    labels = {
        "service": _("Own messages"),
        "transactional": _("Transactional"),
        "marketing": _("Marketing and finance"),
    }
    return str(labels.get(priority, priority))
