"""`/merchant/templates`: submit texts with variables for review, and see what was decided."""

from collections.abc import Mapping
from typing import Final

from flask import Response, request
from flask_babel import gettext as _
from flask_babel import ngettext

from consent_tokens.consent.purposes import Purpose
from consent_tokens.errors import InvalidError, TooManyRequestsError
from consent_tokens.relay.templates.template import VariableType
from consent_tokens.services.admission import template_moves, template_standings
from consent_tokens.services.admission import templates as services
from consent_tokens.services.admission.actors import MAX_REASON_LENGTH
from consent_tokens.services.admission.template_check import CheckedSubmission, check_submission
from consent_tokens.services.admission.template_file import (
    TEMPLATE_STATUSES,
    ListedTemplate,
    list_templates,
)
from consent_tokens.services.admission.template_standings import TemplateStanding
from consent_tokens.services.merchant_records import read_merchant
from consent_tokens.services.merchants import read_link_domains
from consent_tokens.web.console.lists import list_page
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.labels import standing_label
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.consoles.tables import Column, table_query
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.consumer.template_filters import purpose_name
from consent_tokens.web.merchant_console.overview import merchant_id
from consent_tokens.web.merchant_console.template_form import (
    Entered,
    entered,
    entered_of,
    fault_errors,
)
from consent_tokens.web.request_context import runtime

bp = console_blueprint("templates", MERCHANT)
ONE: Final = "/templates/<template_id>"


@bp.get("/templates")
def show() -> Response:
    """List the newest version of each template."""
    columns = [
        Column[ListedTemplate](
            "text", _("Text"), lambda each: each.version.template.text, is_sortable=False
        ),
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
    if query.is_csv:  # the page has them in other columns
        columns += [
            Column[ListedTemplate]("id", _("Template"), lambda each: each.version.template.id),
            Column[ListedTemplate]("reason", _("Reason"), lambda each: each.version.reason),
        ]
    return list_page(
        "merchant/templates.html",
        "templates",
        columns,
        query,
        lambda wanted: list_templates(runtime(), wanted, merchant_id()),
        statuses=[(each.value, standing_label(each)) for each in TEMPLATE_STATUSES],
        purposes=[(each.value, purpose_name(each)) for each in Purpose],
        link_domains=read_link_domains(runtime(), merchant_id()),
    )


@bp.get("/templates/new")
def show_form() -> Response:
    """Show the form of a new template, or of a new version of one."""
    template_id = request.args.get("template", "")[:40]
    if not template_id:
        return _form_page(Entered(variables={}), {})
    standing = template_standings.read_template(runtime(), merchant_id(), template_id)
    return _form_page(entered_of(standing.version.template), {})


@bp.post("/templates/check")
def check() -> Response:
    """Check a template: show its faults, or the longest text that it makes; nothing is stored."""
    found = entered()
    if found.purpose is None:
        return _form_page(found, {"purpose": _("Choose what the texts are about.")})
    checked = check_submission(runtime(), merchant_id(), found.submission(found.purpose))
    return _form_page(found, fault_errors(checked.faults), checked)


@bp.post("/templates")
def submit() -> Response:
    """Submit a template for review."""
    found = entered()
    if found.purpose is None:
        return _form_page(found, {"purpose": _("Choose what the texts are about.")})
    submission = found.submission(found.purpose)
    checked = check_submission(runtime(), merchant_id(), submission)
    if checked.faults:
        return _form_page(found, fault_errors(checked.faults), checked)
    try:
        standing = runtime().database.run(
            lambda transaction: services.submit(
                runtime(), transaction, merchant_id(), submission, actor_id=person().id
            )
        )
    except TooManyRequestsError as error:
        hours = -(-error.retry_after // 3600)
        words = ngettext(
            "This text was refused, and was submitted too often since. Try again in %(num)s hour.",
            "This text was refused, and was submitted too often since. Try again in %(num)s hours.",
            hours,
        )
        return _form_page(found, {"text": words}, checked)
    set_done(_("The template was submitted for review."))
    return _to_template(standing.version.template.id)


@bp.get(ONE)
def show_one(template_id: str) -> Response:
    """Show a template: its longest text, its versions, and what was decided."""
    return _template_page(template_id, {})


@bp.post(f"{ONE}/appeal")
def appeal(template_id: str) -> Response:
    """Appeal against another purpose of a template, once."""
    try:
        runtime().database.run(
            lambda transaction: template_moves.appeal(
                runtime(), transaction, merchant_id(), template_id,
                text("reason", MAX_REASON_LENGTH + 1).replace("\r\n", "\n"), actor_id=person().id,
            )
        )  # fmt: skip
    except InvalidError:
        words = _("Write 1 to %(most)s characters.", most=MAX_REASON_LENGTH)
        return _template_page(template_id, {"reason": words})
    set_done(_("Your appeal was filed. Somebody else than who moved the template decides it."))
    return _to_template(template_id)


def _template_page(template_id: str, errors: Mapping[str, str]) -> Response:
    standing = template_standings.read_template(runtime(), merchant_id(), template_id)
    versions, _reviews = template_standings.read_versions(runtime(), template_id)
    return page(
        "merchant/template.html",
        errors=errors,
        standing=standing,
        versions=versions,
        may_appeal=_may_appeal(standing),
        appeal_until=standing.move and standing.move.decided_at + template_moves.APPEAL_WITHIN,
        max_reason=MAX_REASON_LENGTH,
    )


def _may_appeal(standing: TemplateStanding) -> bool:
    move, now = standing.move, runtime().clock.now()
    return move is not None and template_moves.appeal_bar(move, now) is None


def _to_template(template_id: str) -> Response:
    return redirect_to("merchant_templates.show_one", template_id=template_id)


def _form_page(
    found: Entered, errors: Mapping[str, str], checked: CheckedSubmission | None = None
) -> Response:
    merchant = read_merchant(runtime(), merchant_id())
    return page(
        "merchant/new_template.html",
        errors=errors,
        form=found,
        checked=checked if checked and not checked.faults else None,
        purposes=[each for each in Purpose if merchant.may_use(each)],
        types=list(VariableType),
    )
