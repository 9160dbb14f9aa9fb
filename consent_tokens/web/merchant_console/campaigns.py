"""`/merchant/campaigns`: upload a file, see what it would do, start it, watch it, stop it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from flask import Response
from flask_babel import gettext as _

from consent_tokens.consent.scope import parse_time_of_day
from consent_tokens.errors import ConflictError, InvalidError
from consent_tokens.relay.campaign import Campaign, CampaignStatus
from consent_tokens.services.campaigns import control
from consent_tokens.services.campaigns.control import Schedule
from consent_tokens.services.campaigns.faults import CampaignFileError
from consent_tokens.services.campaigns.parts import RefusedLine
from consent_tokens.services.campaigns.uploads import MAX_LINES, MAX_NAME_LENGTH, add_campaign
from consent_tokens.web.consoles.charts import ranking
from consent_tokens.web.consoles.guard import console_blueprint
from consent_tokens.web.consoles.pages import page, redirect_to
from consent_tokens.web.consoles.session import person, set_done
from consent_tokens.web.consoles.site import MERCHANT
from consent_tokens.web.consoles.tables import (
    Column,
    csv_of,
    csv_response,
    table_of,
    table_query,
)
from consent_tokens.web.consumer.form_fields import text
from consent_tokens.web.merchant_console.campaign_upload import (
    offered_senders,
    offered_templates,
    read_upload,
)
from consent_tokens.web.merchant_console.overview import merchant_id
from consent_tokens.web.merchant_console.refusal_names import refusal_name
from consent_tokens.web.reasons import REASON_TEXTS
from consent_tokens.web.request_context import app_context, runtime
from consent_tokens.web.security_headers import allow_script

bp = console_blueprint("campaigns", MERCHANT)
ONE: Final = "/campaigns/<campaign_id>"
MAX_FAULTS_SHOWN: Final = 50  # lines that cannot be read; the file has all
LIVE: Final = (CampaignStatus.CHECKING, CampaignStatus.RUNNING)  # the page refreshes itself
ENTERED: Final = ("name", "template", "sender", "encoding")
DEFAULT_TIMES: Final = {"starts_at": "", "opens": "09:00", "closes": "20:00"}


@bp.get("/campaigns", endpoint="show")
def show() -> Response:
    """List the campaigns, the newest first."""
    columns = [
        Column[Campaign]("created", _("Uploaded on"), lambda each: each.created_at),
        Column[Campaign]("name", _("Name"), lambda each: each.name),
        Column[Campaign]("lines", _("Lines"), lambda each: each.lines, is_number=True),
        Column[Campaign](
            "accepted", _("Lines accepted"), lambda each: each.accepted, is_number=True
        ),
        Column[Campaign]("status", _("Status"), lambda each: campaign_status(each.status)),
    ]
    query = table_query(sort="-created", columns=columns)
    view = table_of(control.list_campaigns(runtime(), merchant_id()), columns, query)
    if query.is_csv:
        return csv_response("campaigns", view)
    return page("merchant/campaigns.html", view=view, campaign_status=campaign_status)


@bp.get("/campaigns/new")
def show_form() -> Response:
    """Show the form that uploads a file."""
    return _form_page({})


@bp.post("/campaigns")
def upload() -> Response:
    """Read an uploaded file, and have its lines checked."""
    try:
        campaign = add_campaign(runtime(), read_upload(merchant_id()))
    except CampaignFileError as error:
        return _form_page({"file": _(error.fault.text, **error.fault.values)})
    except InvalidError as error:
        return _form_page(_upload_errors(error))
    set_done(_("The file was uploaded. Its lines are being checked; nothing is sent yet."))
    return redirect_to("merchant_campaigns.show_one", campaign_id=campaign.id)


@bp.get(ONE)
def show_one(campaign_id: str) -> Response:
    """Show how a campaign stands: what the check found, or how much of it was submitted."""
    return _campaign_page(_find(campaign_id), {}, DEFAULT_TIMES)


@bp.get(f"{ONE}/refused.csv")
def download(campaign_id: str) -> Response:
    """Return the lines that cannot be read or were refused, as CSV."""
    lines = control.read_refused(runtime(), _find(campaign_id))
    columns = [
        Column[RefusedLine]("line", "line", lambda each: each.number),
        Column[RefusedLine]("reference", "reference", lambda each: each.reference),
        Column[RefusedLine]("code", "code", lambda each: each.code),
        Column[RefusedLine]("reason", "reason", _explanation),
        Column[RefusedLine]("detail", "detail", lambda each: each.detail),
        Column[RefusedLine]("decision", "decision", lambda each: each.decision),
    ]
    return csv_of("refused", columns, lines)


@bp.post(f"{ONE}/start")
def start(campaign_id: str) -> Response:
    """Have a campaign be sent."""
    found = _find(campaign_id)
    times = {name: text(name, 16) for name in DEFAULT_TIMES}
    try:
        schedule = _schedule(times, found.timezone)
        control.start_campaign(runtime(), merchant_id(), campaign_id, person().id, schedule)
    except InvalidError as error:
        return _campaign_page(found, _schedule_errors(error), times)
    set_done(_("The campaign is started."))
    return redirect_to("merchant_campaigns.show_one", campaign_id=campaign_id)


@bp.get(f"{ONE}/stop")
def show_stop(campaign_id: str) -> Response:
    """Ask whether a campaign is to be stopped, and say what that can still change."""
    found = _find(campaign_id)
    if found.status not in control.STOPPABLE:
        raise ConflictError("this campaign has ended")
    return page("merchant/campaign_stop.html", campaign=found)


@bp.post(f"{ONE}/stop")
def stop(campaign_id: str) -> Response:
    """Submit nothing more of a campaign."""
    stopped = control.stop_campaign(runtime(), merchant_id(), campaign_id, person().id)
    left = stopped.lines - stopped.submitted
    set_done(_("Stopped: %(left)s lines were not submitted, and are deleted.", left=left))
    return redirect_to("merchant_campaigns.show_one", campaign_id=campaign_id)


def campaign_status(status: str) -> str:
    """Return the status of a campaign in words."""
    labels = {
        CampaignStatus.CHECKING: _("Being checked"),
        CampaignStatus.READY: _("Ready to start"),
        CampaignStatus.RUNNING: _("Running"),
        CampaignStatus.FINISHED: _("Finished"),
        CampaignStatus.STOPPED: _("Stopped"),
    }
    return str(labels[CampaignStatus(status)])


def _find(campaign_id: str) -> Campaign:
    return control.read_campaign(runtime(), merchant_id(), campaign_id)


def _campaign_page(
    campaign: Campaign, errors: Mapping[str, str], times: Mapping[str, str]
) -> Response:
    is_live = campaign.status in LIVE
    faulty = [] if is_live else control.read_refused(runtime(), campaign, is_faulty_only=True)
    response = page(
        "merchant/campaign.html",
        campaign=campaign,
        is_live=is_live,
        faults=[(each.number, _fault(each)) for each in faulty[:MAX_FAULTS_SHOWN]],
        refused=ranking({refusal_name(code): n for code, n in campaign.refused.items()}),
        is_waiting=campaign.due_at is not None and campaign.due_at > runtime().clock.now(),
        errors=errors,
        times=times,
        campaign_status=campaign_status,
        refusal_name=refusal_name,
    )
    return allow_script(response, may_fetch=True)


def _fault(line: RefusedLine) -> str:
    return str(_(line.fault.text, **line.fault.values)) if line.fault else line.detail


def _explanation(line: RefusedLine) -> str:
    if line.fault:
        return _fault(line)
    known = REASON_TEXTS.get(line.code)
    return known.explanation if known else ""


def _form_page(errors: Mapping[str, str]) -> Response:
    merchant = merchant_id()
    return page(
        "merchant/new_campaign.html",
        errors=errors,
        entered={name: text(name) for name in ENTERED},
        templates=[each.version.template for each in offered_templates(merchant)],
        senders=[each.sender for each in offered_senders(merchant)],
        max_lines=MAX_LINES,
        timezone=app_context().consent.default_timezone.key,
    )


def _upload_errors(error: InvalidError) -> dict[str, str]:
    words = {
        "name": _("Use one line of up to %(most)s characters.", most=MAX_NAME_LENGTH),
        "file": _("Use a file with 1 to %(most)s lines that can be read.", most=MAX_LINES),
        "encoding": _("No such encoding; for example gb18030."),
        "template": _("Choose one of your approved templates."),
        "sender": _("Choose one of your senders."),
    }
    return {name: str(words[name]) for name in error.fields}


def _schedule(times: Mapping[str, str], timezone: ZoneInfo) -> Schedule:
    """Return the entered times. Raises InvalidError."""
    errors: dict[str, list[str]] = {}
    minutes = {}
    for name in ("opens", "closes"):
        try:
            minutes[name] = parse_time_of_day(times[name])
        except ValueError:
            errors[name] = ["not a time"]
    starts_at = None
    if times["starts_at"]:
        try:
            starts_at = datetime.fromisoformat(times["starts_at"]).replace(tzinfo=timezone)
        except ValueError:
            errors["starts_at"] = ["not a time"]
    if errors:
        raise InvalidError(errors)
    return Schedule(starts_at=starts_at, opens=minutes["opens"], closes=minutes["closes"])


def _schedule_errors(error: InvalidError) -> dict[str, str]:
    words = {
        "starts_at": _("Enter a time within the next %(days)s days.", days=control.MAX_AHEAD.days),
        "opens": _("Enter a time such as 09:00."),
        "closes": _("Enter a time such as 21:00, later than the first."),
    }
    return {name: str(words[name]) for name in error.fields}
