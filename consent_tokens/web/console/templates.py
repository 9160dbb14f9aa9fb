"""`/console/templates`: the list of templates, and the page on which one is decided."""

from collections.abc import Callable, Mapping
from typing import Final

from flask import Response, request
from flask_babel import gettext as _

from consent_tokens.consent.purposes import Purpose, PurposeClass
from consent_tokens.errors import InvalidError
from consent_tokens.relay.templates.moves import AppealStatus
from consent_tokens.services.admission import pacing_decisions, template_moves, template_reviews
from consent_tokens.services.admission.review_queue import ReviewKind
from consent_tokens.services.admission.template_file import (
    TEMPLATE_STATUSES,
    ListedTemplate,
    list_templates,
    read_template_file,
)
from consent_tokens.services.admission.template_reviews import Terms
from consent_tokens.services.rollups.figures import read_figures
from consent_tokens.web.console.difference import difference
from consent_tokens.web.console.lists import list_page
from consent_tokens.web.console.reasons import reason_errors, stated_reason
from consent_tokens.web.console.review_pages import review_page
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.labels import standing_label
from consent_tokens.web.consoles.pages import redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import Column, table_query
from consent_tokens.web.consumer.form_fields import text, whole_number
from consent_tokens.web.consumer.template_filters import purpose_name
from consent_tokens.web.request_context import runtime

bp = console_blueprint("templates", OPERATOR)
ONE: Final = "/templates/<template_id>"
KINDS: Final = (ReviewKind.TEMPLATES, ReviewKind.HELD, ReviewKind.PACING, ReviewKind.APPEALS)


@bp.get("/templates")
def show() -> Response:
    """List the templates of all merchants."""
    columns = [
        Column[ListedTemplate]("id", _("Template"), lambda each: each.version.template.id),
        Column[ListedTemplate](
            "text", _("Text"), lambda each: each.version.template.text, is_sortable=False
        ),
        Column[ListedTemplate]("merchant", _("Merchant"), lambda each: each.merchant_name),
        Column[ListedTemplate](
            "purpose", _("Purpose"), lambda each: purpose_name(each.version.template.purpose)
        ),
        Column[ListedTemplate](
            "status", _("Status"), lambda each: standing_label(each.version.template.status)
        ),
        Column[ListedTemplate](
            "submitted", _("Submitted on"), lambda each: each.version.submitted_at
        ),
    ]
    query = table_query(sort="-submitted", columns=columns, more=("status", "purpose"))
    if query.is_csv:  # the page has it under the status
        columns.append(Column[ListedTemplate]("reason", _("Reason"), lambda e: e.version.reason))
    return list_page(
        "console/templates.html",
        "templates",
        columns,
        query,
        lambda wanted: list_templates(runtime(), wanted),
        statuses=[(each.value, standing_label(each)) for each in TEMPLATE_STATUSES],
        purposes=[(each.value, purpose_name(each)) for each in Purpose],
    )


@bp.get(ONE)
def show_one(template_id: str) -> Response:
    """Show a template: preview, marks, difference, decisions, and the forms that decide."""
    return _template_page(template_id, {})


def _template_page(template_id: str, errors: Mapping[str, str]) -> Response:
    found = read_template_file(runtime(), template_id)
    former = found.former
    return review_page(
        "console/template.html",
        id_=template_id,
        kinds=KINDS,
        errors=errors,
        file=found,
        figures=read_figures(runtime(), template_id),
        transactional=[
            each.value for each in Purpose if each.purpose_class is PurposeClass.TRANSACTIONAL
        ],
        sides=difference(former.template.text, found.newest.template.text) if former else None,
        purposes=[
            (each.value, purpose_name(each))
            for each in Purpose
            if each != found.newest.template.purpose
        ],
    )


def _decide(template_id: str, action: str, done: str, decide: Callable[[], object]) -> Response:
    """Carry out a decision, and return to the template; or show it with what is wrong."""
    try:
        decide()
    except InvalidError as error:
        return _template_page(template_id, reason_errors(error, action))
    set_done(done)
    return redirect_to("console_templates.show_one", template_id=template_id)


@bp.post(f"{ONE}/approve")
def approve(template_id: str) -> Response:
    """Approve the newest version of a template."""

    def decide() -> None:
        terms = Terms(
            texts_per_event=whole_number("texts_per_event"),
            event_type=text("event_type", 32) or None,
            is_essential="essential" in request.form if "terms" in request.form else None,
        )
        template_reviews.approve(runtime(), person().actor, template_id, terms=terms)

    return _decide(template_id, "approve", _("Your approval was recorded."), decide)


@bp.post(f"{ONE}/refuse")
def refuse(template_id: str) -> Response:
    """Refuse the newest version of a template; as abuse, so that its text may not come back."""

    def decide() -> None:
        template_reviews.refuse(
            runtime(),
            person().actor,
            template_id,
            reason=stated_reason("refuse_template"),
            is_abuse="abuse" in request.form,
        )

    return _decide(template_id, "refuse", _("The template was refused."), decide)


@bp.post(f"{ONE}/purpose")
def recategorise(template_id: str) -> Response:
    """Put a template under another purpose."""

    def decide() -> None:
        named = text("purpose", 64)
        if named not in Purpose:
            raise InvalidError({"purpose": ["unknown"]})
        reason = stated_reason("recategorise")
        template_moves.recategorise(
            runtime(), person().actor, template_id, purpose=Purpose(named), reason=reason
        )

    return _decide(template_id, "recategorise", _("The other purpose was recorded."), decide)


@bp.post(f"{ONE}/hold")
def hold(template_id: str) -> Response:
    """Hold a template: nothing of it leaves until it is released."""

    def decide() -> None:
        reason = stated_reason("hold")
        template_reviews.hold(runtime(), person().actor, template_id, reason=reason)

    return _decide(template_id, "hold", _("The template is held."), decide)


@bp.post(f"{ONE}/release")
def release(template_id: str) -> Response:
    """Release a held template."""

    def decide() -> None:
        reason = stated_reason("release")
        template_reviews.release(runtime(), person().actor, template_id, reason=reason)

    return _decide(template_id, "release", _("The template was released."), decide)


@bp.post(f"{ONE}/pacing/release")
def release_pacing(template_id: str) -> Response:
    """Let what is held back of a new template go on, with the next part."""

    def decide() -> None:
        reason = stated_reason("release_pacing")
        pacing_decisions.release(runtime(), person().actor, template_id, reason=reason)

    return _decide(template_id, "release_pacing", _("The next part may leave."), decide)


@bp.post(f"{ONE}/pacing/drop")
def drop_pacing(template_id: str) -> Response:
    """Refuse what is held back of a new template."""

    def decide() -> None:
        reason = stated_reason("drop_pacing")
        pacing_decisions.drop(runtime(), person().actor, template_id, reason=reason)

    return _decide(template_id, "drop_pacing", _("What was held back is refused."), decide)


@bp.post(f"{ONE}/withdraw")
def withdraw(template_id: str) -> Response:
    """Withdraw a template for good."""

    def decide() -> None:
        reason = stated_reason("withdraw")
        template_reviews.withdraw(runtime(), person().actor, template_id, reason=reason)

    return _decide(template_id, "withdraw", _("The template was withdrawn."), decide)


@bp.post(f"{ONE}/appeal")
def decide_appeal(template_id: str) -> Response:
    """Uphold or dismiss what a merchant says against another purpose of its template."""

    def decide() -> None:
        decision = text("decision", 16)
        if decision not in template_moves.APPEAL_DECISIONS:
            raise InvalidError({"decision": ["unknown"]})
        template_moves.decide_appeal(
            runtime(), person().actor, template_id, AppealStatus(decision), stated_reason("appeal")
        )

    return _decide(template_id, "appeal", _("The appeal was decided."), decide)
