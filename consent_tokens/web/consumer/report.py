"""`/report`: complain about a pasted text; `/reports`: how a complaint stands."""

from typing import Final

from flask import Response, request, session, url_for
from flask_babel import gettext as _

from consent_tokens.consent.number_check import NumberFault
from consent_tokens.consent.one_time_code import REPORT
from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.evidence.complaints import MAX_STATEMENT_LENGTH, ComplaintReason
from consent_tokens.services.complaints import (
    Case,
    PastedText,
    add_statement,
    find_by_case_number,
    read_case,
    report_pasted_text,
)
from consent_tokens.services.number_verification import ChallengeSecret
from consent_tokens.services.pictures import MAX_PICTURE_BYTES
from consent_tokens.web.consumer import (
    blueprint,
    page,
    redirect_after_post,
    set_result,
    take_result,
)
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.consumer.abuse_gate import challenge_page, may_send_code
from consent_tokens.web.consumer.otp_forms import (
    code_errors,
    entered_number,
    number_errors,
    remember_number,
    send_code_to,
    waiting_for,
)
from consent_tokens.web.request_context import app_context, runtime

bp = blueprint("report")

MAX_PASTED_LENGTH: Final = 2000  # characters
MAX_SENDER_LENGTH: Final = 24  # characters
MAX_CASE_NUMBER_LENGTH: Final = 40  # characters, with the blanks that people add
CASE_NUMBER_GROUP: Final = 4  # digits between blanks
REPORT_CHALLENGE: Final = "report_challenge"  # keys of the cookie session
CASE_NUMBER: Final = "case_number"


@bp.get("/report")
def show() -> Response:
    """Ask for the number first; once a code was sent, for the text."""
    if REPORT_CHALLENGE in session and "again" not in request.args:
        return _report_page()
    return page("report_phone.html", errors={}, entered="")


def _report_page(status: int = 200, **errors: str) -> Response:
    now = runtime().clock.now().astimezone(app_context().consent.default_timezone)
    return page(
        "report.html",
        status,
        reasons=list(ComplaintReason),
        waiting=waiting_for(session.get(REPORT_CHALLENGE, "")),
        errors=errors,
        entered=request.form,
        latest=now.replace(tzinfo=None).isoformat(timespec="minutes"),
    )


@bp.post("/report")
def act() -> Response:
    """Send a code, or file the complaint that came with one."""
    if "code" in request.form:
        return _file_report()
    number = entered_number()
    if isinstance(number, NumberFault):
        return page(
            "report_phone.html", 422, errors=number_errors(number), entered=form.text("phone", 40)
        )
    if not may_send_code(number):
        return challenge_page(url_for("report.act"))
    session[REPORT_CHALLENGE] = send_code_to(number, REPORT)
    return redirect_after_post("report.show")


def _file_report() -> Response:
    pasted, errors = _pasted_text()
    if pasted is None:
        return _report_page(422, **errors)
    challenge = ChallengeSecret.from_text(session.get(REPORT_CHALLENGE, ""))
    filed = report_pasted_text(
        runtime(),
        app_context().otp,
        challenge,
        form.one_time_code(),
        pasted,
        ComplaintReason(request.form["reason"]),
    )
    if filed is None:
        return _report_page(422, **code_errors())
    session.pop(REPORT_CHALLENGE, None)
    session[CASE_NUMBER] = filed.case_number
    return remember_number(redirect_after_post("report.show_report"), challenge)


def _pasted_text() -> tuple[PastedText | None, dict[str, str]]:
    """Return the reported text, or None and the errors of the fields."""
    sender = _digits(form.text("sender", MAX_SENDER_LENGTH))
    text = form.text("text", MAX_PASTED_LENGTH)
    at = form.local_datetime("at", app_context().consent.default_timezone)
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
        return None, errors
    return PastedText(sender=sender, text=text, at=at), {}


@bp.get("/reports")
def show_report() -> Response:
    """Show how the complaint stands that this browser filed, or looked up by its case number."""
    case_number = session.get(CASE_NUMBER)
    if not case_number:
        return _lookup_page()
    try:
        return _report_status_page(case_number, read_case(runtime(), case_number))
    except NotFoundError:
        session.pop(CASE_NUMBER, None)
        return _lookup_page()


@bp.post("/reports")
def update_report() -> Response:
    """Look a complaint up by its case number, or add a statement to it."""
    if request.form.get("action") == "more":
        return _add_statement()
    case_number = form.text("number", MAX_CASE_NUMBER_LENGTH)
    try:
        find_by_case_number(runtime(), case_number)
    except NotFoundError:
        return _lookup_page(422, number=_("There is no report with this number."))
    session[CASE_NUMBER] = _digits(case_number)
    return redirect_after_post("report.show_report")


def _add_statement() -> Response:
    case_number = session.get(CASE_NUMBER, "")
    case = read_case(runtime(), case_number)
    upload = request.files.get("picture")
    picture = upload.read(MAX_PICTURE_BYTES + 1) if upload else b""
    try:
        add_statement(runtime(), case.complaint, request.form.get("said", ""), picture)
    except InvalidError as error:
        errors = _statement_errors(error)
        return _report_status_page(case_number, case, 422, **errors)
    set_result("statement_added")
    return redirect_after_post("report.show_report")


def _statement_errors(error: InvalidError) -> dict[str, str]:
    texts = {
        "said": _("At most %(most)s characters.", most=MAX_STATEMENT_LENGTH),
        "picture": _("A PNG or JPEG picture of at most one megabyte."),
    }
    return {name: texts[name] for name in error.fields}


def _lookup_page(status: int = 200, **errors: str) -> Response:
    """Return the page that asks for a case number."""
    return page("report_status.html", status, complaint=None, errors=errors)


def _report_status_page(case_number: str, case: Case, status: int = 200, **errors: str) -> Response:
    groups = range(0, len(case_number), CASE_NUMBER_GROUP)
    return page(
        "report_status.html",
        status,
        complaint=case.complaint,
        case_number=" ".join(case_number[at : at + CASE_NUMBER_GROUP] for at in groups),
        merchant=case.merchant,
        timezone=app_context().consent.default_timezone,
        errors=errors,
        result=take_result(),
    )


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())
