"""`/v1/plans`: what the merchant plans to send, and how much of it was accepted."""

from typing import Any

from consent_tokens.services import plans
from consent_tokens.services.idempotency import ApiResponse
from consent_tokens.services.plans import PlanStanding, PlanTerms
from consent_tokens.web.merchant_api.blueprint import Answer, ApiBlueprint
from consent_tokens.web.merchant_api.paging import list_page
from consent_tokens.web.merchant_api.plan_schemas import PlanAnswer, PlanIn, PlanPage, PlansQuery
from consent_tokens.web.merchant_api.schemas import RequestedPage
from consent_tokens.web.request_context import runtime

bp = ApiBlueprint("plans", "What you plan to send. In peak seasons rules may want it stated.")


@bp.post("/plans")
@bp.body(PlanIn())
@bp.answer_once(201, PlanAnswer())
@bp.problems(409)
def state_plan(merchant_id: str, body: PlanTerms, answer: Answer) -> ApiResponse:
    """State a plan: how many messages leave at most, from when to when."""
    return answer.once(lambda transaction: plans.state(runtime(), transaction, merchant_id, body))


@bp.get("/plans")
@bp.query(PlansQuery())
@bp.answer(200, PlanPage())
def list_plans(merchant_id: str, query: RequestedPage) -> dict[str, Any]:
    """List the merchant's plans, the oldest first."""
    return list_page(
        merchant_id,
        "plans",
        query,
        lambda wanted: plans.list_own(runtime(), merchant_id, wanted),
        plans.position_of,
    )


@bp.get("/plans/<plan_id>")
@bp.answer(200, PlanAnswer())
@bp.problems(404)
def get_plan(merchant_id: str, plan_id: str) -> PlanStanding:
    """Return a plan, with how many messages were accepted in it."""
    return plans.get_own(runtime(), merchant_id, plan_id)


@bp.post("/plans/<plan_id>/change")
@bp.body(PlanIn())
@bp.answer_once(200, PlanAnswer())
@bp.problems(404, 409)
def change_plan(merchant_id: str, plan_id: str, body: PlanTerms, answer: Answer) -> ApiResponse:
    """State a plan anew: what was accepted still counts. More counts as stated only now."""
    return answer.once(
        lambda transaction: plans.change(runtime(), transaction, merchant_id, plan_id, body)
    )


@bp.post("/plans/<plan_id>/withdraw")
@bp.answer_once(200, PlanAnswer())
@bp.problems(404, 409)
def withdraw_plan(merchant_id: str, plan_id: str, answer: Answer) -> ApiResponse:
    """Withdraw a plan: nothing more is accepted in it. What was accepted leaves."""
    return answer.once(
        lambda transaction: plans.withdraw(runtime(), transaction, merchant_id, plan_id)
    )
