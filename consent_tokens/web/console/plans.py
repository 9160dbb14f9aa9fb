"""`/console/plans`: what merchants plan to send, and how much of it in each peak season."""

from flask import Response
from flask_babel import gettext as _

from consent_tokens.services.supervision.plans import ListedPlan, find_plans, peak_plans
from consent_tokens.web.console.lists import list_page
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.labels import plan_label, plan_tag
from consent_tokens.web.consoles.site import OPERATOR
from consent_tokens.web.consoles.tables import Column, table_query
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.request_context import runtime

bp = console_blueprint("plans", OPERATOR)


@bp.get("/plans")
def show() -> Response:
    """List the peak seasons, and the plans of all merchants, those that start first at the top."""
    columns = [
        Column[ListedPlan]("merchant", _("Merchant"), lambda each: each.merchant_name),
        Column[ListedPlan]("starts", _("From"), lambda each: each.plan.starts_at),
        Column[ListedPlan]("ends", _("End"), lambda each: each.plan.ends_at),
        Column[ListedPlan](
            "planned", _("Planned"), lambda each: each.plan.messages, is_number=True
        ),
        Column[ListedPlan](
            "accepted", _("Accepted"), lambda each: each.plan.accepted, is_number=True
        ),
        Column[ListedPlan]("refused", _("Refused"), lambda each: each.plan.excess, is_number=True),
        Column[ListedPlan](
            "status", _("Status"), lambda each: plan_label(each.status), is_sortable=False
        ),
    ]
    return list_page(
        "console/plans.html",
        "plans",
        columns,
        table_query(sort="starts", columns=columns),
        lambda wanted: find_plans(runtime(), wanted),
        peaks=[(each.peak.name[language()], each) for each in peak_plans(runtime())],
        plan_label=plan_label,
        plan_tag=plan_tag,
    )
