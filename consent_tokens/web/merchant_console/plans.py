"""`/merchant/plans`: state what will be sent, change it, withdraw it, see how much was accepted."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import Response
from flask_babel import gettext as _
from marshmallow import ValidationError

from consent_tokens.consent.purposes import Purpose
from consent_tokens.errors import ConflictError, InvalidError, TooManyOpenError
from consent_tokens.relay.plan import Plan, PlanStatus
from consent_tokens.services import plans
from consent_tokens.services.merchant_records import read_merchant
from consent_tokens.services.plans import PlanStanding, PlanTerms
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.labels import plan_label, plan_tag
from consent_tokens.web.consoles.lists import list_view
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.consumer.form_fields import local_datetime, text
from consent_tokens.web.consumer.template_filters import purpose_name
from consent_tokens.web.merchant_api.plan_schemas import PlanIn
from consent_tokens.web.merchant_api.schemas import MAX_REFERENCE_LENGTH
from consent_tokens.web.merchant_console.campaign_upload import offered_senders, offered_templates
from consent_tokens.web.merchant_console.overview import merchant_id
from consent_tokens.web.request_context import app_context, runtime

bp = console_blueprint("plans", MERCHANT)
ONE: Final = "/plans/<plan_id>"
TIMES: Final = ("starts_at", "ends_at")
FIELDS: Final = (*TIMES, "messages", "purpose", "template", "sender", "reference")


@bp.get("/plans")
def show() -> Response:
    """List the plans, the newest first."""
    view = list_view(
        [each.value for each in PlanStatus],
        partial(plans.list_own, runtime(), merchant_id()),
        plans.position_of,
    )
    return page("merchant/plans.html", view=view, **_shown())


@bp.get("/plans/new")
def show_form() -> Response:
    """Show the form that states a plan."""
    return _plan_page(None, dict.fromkeys(FIELDS, ""))


@bp.post("/plans")
def create() -> Response:
    """State a plan."""
    merchant, actor = merchant_id(), person().id
    return _save(
        None,
        lambda terms: runtime().database.run(
            lambda transaction: plans.state(runtime(), transaction, merchant, terms, actor)
        ),
    )


@bp.get(ONE)
def show_one(plan_id: str) -> Response:
    """Show a plan, how much of it was accepted, and the form that changes it."""
    standing = plans.get_own(runtime(), merchant_id(), plan_id)
    return _plan_page(standing, _fields_of(standing.plan))


@bp.post(ONE)
def change(plan_id: str) -> Response:
    """State a plan anew: what was accepted still counts."""
    merchant, actor = merchant_id(), person().id
    standing = plans.get_own(runtime(), merchant, plan_id)
    if not standing.status.is_open:
        raise ConflictError(f"the plan is {standing.status}")
    return _save(
        standing,
        lambda terms: runtime().database.run(
            lambda transaction: plans.change(
                runtime(), transaction, merchant, plan_id, terms, actor
            )
        ),
    )


@bp.post(f"{ONE}/withdraw")
def withdraw(plan_id: str) -> Response:
    """Withdraw a plan: nothing more is accepted in it."""
    merchant, actor = merchant_id(), person().id
    runtime().database.run(
        lambda transaction: plans.withdraw(runtime(), transaction, merchant, plan_id, actor)
    )
    set_done(_("The plan is withdrawn. What was accepted in it leaves."))
    return redirect_to("merchant_plans.show_one", plan_id=plan_id)


def _save(before: PlanStanding | None, save: Callable[[PlanTerms], PlanStanding]) -> Response:
    """Save what the form states of a plan, and show it; or the form with what is wrong."""
    entered = {name: text(name) for name in FIELDS}
    try:
        after = save(PlanIn().load(_members(entered)))
    except ValidationError as error:
        return _plan_page(before, entered, _errors(error.messages_dict))
    except InvalidError as error:
        return _plan_page(before, entered, _errors(error.fields))
    except TooManyOpenError:
        words = _("There are %(most)s plans already: withdraw one first.", most=plans.MAX_OPEN)
        return _plan_page(before, entered, {"starts_at": words})
    set_done(_("The plan is stated.") if before is None else _("The plan is changed."))
    return redirect_to("merchant_plans.show_one", plan_id=after.plan.id)


def _members(entered: Mapping[str, str]) -> dict[str, Any]:
    """Return what was entered, with the names and types of the API."""
    members: dict[str, Any] = {name: entered[name] or None for name in FIELDS}
    for name in TIMES:
        at = local_datetime(name, _timezone())
        members[name] = at.isoformat() if at else ""
    digits = entered["messages"]
    members["messages"] = int(digits) if digits.isascii() and digits.isdigit() else None
    return members


def _errors(names: Iterable[str]) -> dict[str, str]:
    words = {
        "starts_at": _("Enter a time within the next %(days)s days.", days=plans.MAX_AHEAD.days),
        "ends_at": _(
            "Enter a time to come, later than the first and within %(days)s days of it.",
            days=plans.MAX_PERIOD.days,
        ),
        "messages": _("Enter a whole number from 1 to %(most)s.", most=plans.MAX_MESSAGES),
        "purpose": _("Choose from the list."),
        "template": _("Choose one of your approved templates."),
        "sender": _("Choose one of your senders."),
        "reference": _("Use one line of up to %(most)s characters.", most=MAX_REFERENCE_LENGTH),
    }
    return {name: str(words[name]) for name in names}


def _fields_of(plan: Plan) -> dict[str, str]:
    """Return what the form shows of a plan."""
    return {
        "starts_at": _entered(plan.starts_at),
        "ends_at": _entered(plan.ends_at),
        "messages": str(plan.messages),
        "purpose": plan.purpose or "",
        "template": plan.template_id or "",
        "sender": plan.sender_id or "",
        "reference": plan.reference or "",
    }


def _entered(at: datetime) -> str:
    """Return a time as a field of local date and time takes it, to the second if it has any."""
    local = at.astimezone(_timezone()).replace(tzinfo=None)
    return local.isoformat(timespec="seconds" if local.second else "minutes")


def _timezone() -> ZoneInfo:
    return app_context().consent.default_timezone


def _plan_page(
    standing: PlanStanding | None,
    entered: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
) -> Response:
    merchant = read_merchant(runtime(), merchant_id())
    named = _fields_of(standing.plan) if standing else dict.fromkeys(FIELDS, "")
    purposes = [(str(each), purpose_name(each)) for each in Purpose if merchant.may_use(each)]
    templates = [each.version.template for each in offered_templates(merchant.id)]
    senders = [each.sender for each in offered_senders(merchant.id)]
    return page(
        "merchant/plan.html",
        standing=standing,
        entered=entered,
        errors=errors or {},
        is_open=standing is None or standing.status.is_open,
        max_days=plans.MAX_PERIOD.days,
        purposes=_with(purposes, named["purpose"]),
        templates=_with([(each.id, each.text) for each in templates], named["template"]),
        senders=_with([(each.id, each.source) for each in senders], named["sender"]),
        **_shown(),
    )


def _with(offered: list[tuple[str, str]], named: str) -> list[tuple[str, str]]:
    """Return the choices of a field, also what the plan names and is not offered any more."""
    is_offered = not named or named in dict(offered)
    return offered if is_offered else [*offered, (named, named)]


def _shown() -> dict[str, Any]:
    return {"timezone": _timezone(), "plan_label": plan_label, "plan_tag": plan_tag}
