"""`/v1/templates`: submit texts with variables for review, and see what was decided."""

from typing import Any

from consent_tokens.services.admission import template_moves, template_standings, templates
from consent_tokens.services.admission.template_standings import TemplateStanding
from consent_tokens.services.admission.templates import Submission
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.web.merchant_api.blueprint import Answer, ApiBlueprint
from consent_tokens.web.merchant_api.paging import list_page
from consent_tokens.web.merchant_api.schemas import RequestedPage
from consent_tokens.web.merchant_api.template_answers import TemplateAnswer, TemplatePage
from consent_tokens.web.merchant_api.template_schemas import AppealIn, TemplateIn, TemplatesQuery
from consent_tokens.web.request_context import runtime

bp = ApiBlueprint("templates", "Reviewed texts with variables; transactional texts need one.")


@bp.post("/templates")
@bp.body(TemplateIn())
@bp.answer_once(201, TemplateAnswer())
@bp.problems(404, 409, 429)
def submit_template(merchant_id: str, body: Submission, answer: Answer) -> ApiResponse:
    """Submit a template, or a new version of one, for review; faults are answered at once."""
    return answer.once(
        lambda transaction: templates.submit(runtime(), transaction, merchant_id, body)
    )


@bp.get("/templates")
@bp.query(TemplatesQuery())
@bp.answer(200, TemplatePage())
def list_templates(merchant_id: str, query: RequestedPage) -> dict[str, Any]:
    """List the newest version of each template, the oldest first."""
    return list_page(
        merchant_id,
        "templates",
        query,
        lambda wanted: template_standings.list_templates(
            runtime(), wanted, merchant_id=merchant_id
        ),
        template_standings.position_of,
    )


@bp.get("/templates/<template_id>")
@bp.answer(200, TemplateAnswer())
@bp.problems(404)
def get_template(merchant_id: str, template_id: str) -> TemplateStanding:
    """Return a template: its newest version, what was decided, and a preview."""
    return template_standings.read_template(runtime(), merchant_id, template_id)


@bp.post("/templates/<template_id>/appeal")
@bp.body(AppealIn())
@bp.answer_once(200, TemplateAnswer())
@bp.problems(404, 409)
def appeal_template(
    merchant_id: str, template_id: str, body: dict[str, str], answer: Answer
) -> ApiResponse:
    """Appeal against another purpose of a template, once; another person decides."""
    return answer.once(
        lambda transaction: template_moves.appeal(
            runtime(), transaction, merchant_id, template_id, body["reason"]
        )
    )
