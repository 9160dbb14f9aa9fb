"""`/report`: any text, pasted, and what the records say of it; and how a complaint stands."""

from flask import Response, request, session, url_for
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.evidence.complaints import MAX_STATEMENT_LENGTH, ComplaintReason
from consent_tokens.services.complaints import (
    MAX_PICTURE_BYTES,
    REPORT_INTENT,
    Case,
    PastedText,
    add_statement,
    find_by_case_number,
    read_case,
    report_pasted_text,
)
from consent_tokens.services.number_verification import (
    ChallengeSecret,
    parse_phone_input,
    send_code,
)
from consent_tokens.web.consumer import blueprint, page, redirect_after_post
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.consumer.abuse_gate import challenge_page, may_send_code
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.request_context import app_context, client_ip, runtime

bp = blueprint("report")

MAX_PASTED_LENGTH = 2000
MAX_SENDER_LENGTH = 24
PENDING = "report"  # where the browser keeps that a code is on its way


@bp.get("/report")
def show() -> Response:
    """Ask for the number first; once a code is on its way, for the text."""
    if PENDING in session and "again" not in request.args:
        return _report_page()
    return page("report_phone.html", faults={})


def _report_page(status: int = 200, **faults: str) -> Response:
    now = runtime().clock.now().astimezone(app_context().consent.default_timezone)
    return page(
        "report.html",
        status,
        reasons=list(ComplaintReason),
        faults=faults,
        given=request.form,
        latest=now.replace(tzinfo=None).isoformat(timespec="minutes"),
    )


@bp.post("/report")
def act() -> Response:
    """Send a code, or take the complaint that came with one."""
    if "code" in request.form:
        return _file_report()
    try:
        number = parse_phone_input(app_context().otp, request.form.get("phone", ""))
    except InvalidError:
        wrong = _("This does not look like a phone number.")
        return page("report_phone.html", 422, faults={"phone": wrong})
    if not may_send_code():
        return challenge_page(url_for("report.act"))
    secret = send_code(
        runtime(),
        app_context().otp,
        number,
        intent=REPORT_INTENT,
        language=language(),
        client_ip=client_ip(),
    )
    session[PENDING] = secret.to_text()
    return redirect_after_post("report.show")


def _file_report() -> Response:
    sender = "".join(
        letter for letter in form.text("sender", MAX_SENDER_LENGTH) if letter.isdigit()
    )
    text, at = (
        form.text("text", MAX_PASTED_LENGTH),
        form.local_datetime("at", app_context().consent.default_timezone),
    )
    errors: dict[str, str] = {}
    if not sender:
        errors["sender"] = _("Digits only, as the phone shows the sender.")
    if not text:
        errors["text"] = _("Paste the whole text here.")
    if at is None:
        errors["at"] = _("When it came, roughly.")
    if request.form.get("reason") not in set(ComplaintReason):
        errors["reason"] = _("Choose one.")
    if errors or at is None:
        return _report_page(422, **errors)
    filed = report_pasted_text(
        runtime(),
        app_context().otp,
        ChallengeSecret.from_text(session.get(PENDING, "")),
        form.one_time_code(),
        PastedText(sender=sender, text=text, at=at),
        ComplaintReason(request.form["reason"]),
    )
    if filed is None:
        wrong = _("This code is wrong or too old. You can ask for a new one.")
        return _report_page(422, code=wrong)
    session.pop(PENDING, None)
    session["filed"] = filed.case_number
    return redirect_after_post("report.show_report")


@bp.get("/reports")
def show_report() -> Response:
    """Show how the complaint stands that this browser has filed, or asked for by its number."""
    number = session.get("filed")
    if not number:
        return page("follow.html", complaint=None, faults={})
    try:
        return _report_status_page(number, read_case(runtime(), number))
    except NotFoundError:
        session.pop("filed", None)
        return page("follow.html", complaint=None, faults={})


@bp.post("/reports")
def update_report() -> Response:
    """Look a complaint up by its number, or say more about it."""
    if request.form.get("action") == "more":
        return _add_statement()
    number = form.text("number", 40)
    try:
        find_by_case_number(runtime(), number)
    except NotFoundError:
        unknown = _("There is no report with this number.")
        return page("follow.html", 422, complaint=None, faults={"number": unknown})
    session["filed"] = "".join(letter for letter in number if letter.isdigit())
    return redirect_after_post("report.show_report")


def _add_statement() -> Response:
    number = session.get("filed", "")
    case = read_case(runtime(), number)
    picture = request.files.get("picture")
    shown = picture.read(MAX_PICTURE_BYTES + 1) if picture else b""
    try:
        add_statement(runtime(), case.complaint, request.form.get("said", ""), shown)
    except InvalidError as error:
        wrong = _("At most %(most)s characters.", most=MAX_STATEMENT_LENGTH)
        kind = _("A PNG or JPEG picture of at most one megabyte.")
        errors = {name: {"said": wrong, "picture": kind}[name] for name in error.fields}
        return _report_status_page(number, case, 422, **errors)
    session["done"] = "more"
    return redirect_after_post("report.show_report")


def _report_status_page(number: str, case: Case, status: int = 200, **faults: str) -> Response:
    return page(
        "follow.html",
        status,
        complaint=case.complaint,
        number=" ".join(number[place : place + 4] for place in range(0, len(number), 4)),
        merchant=case.merchant,
        zone=app_context().consent.default_timezone,
        faults=faults,
        done=session.pop("done", None),
    )
