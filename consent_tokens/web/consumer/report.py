"""`/report`: complain about a pasted text; `/reports`: how a complaint stands."""

from typing import Final

from flask import Response, request, session, url_for
from flask_babel import gettext as _

from consent_tokens.consent.number_check import NumberFault
from consent_tokens.consent.one_time_code import REPORT
from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.evidence.complaints import (
    MAX_STATEMENT_LENGTH,
    Complaint,
    ComplaintReason,
    Verdict,
    comparable_sender,
)
from consent_tokens.evidence.referrals import (
    Referral,
    referral,
    referral_of_text,
    region_to_report_in,
)
from consent_tokens.services.complaint_additions import (
    Answers,
    add_statement,
    answer,
    has_text,
)
from consent_tokens.services.complaint_assessment import PastedText
from consent_tokens.services.complaints import (
    Case,
    FiledComplaint,
    find_by_case_number,
    read_case,
    report_pasted_text,
)
from consent_tokens.services.number_verification import ChallengeSecret, verified_number
from consent_tokens.services.pictures import MAX_PICTURE_BYTES, has_picture_signature
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
    code_page,
    entered_number,
    number_errors,
    remember_number,
    send_code_to,
    waiting_for,
)
from consent_tokens.web.request_context import app_context, runtime

bp = blueprint("report")

MAX_PASTED_LENGTH: Final = 2000  # characters
MAX_SENDER_LENGTH: Final = 40  # characters, with the blanks of a number
MAX_CASE_NUMBER_LENGTH: Final = 40  # characters, with the blanks that people add
CASE_NUMBER_GROUP: Final = 4  # digits between blanks
REPORT_CHALLENGE: Final = "report_challenge"  # keys of the cookie session
HAS_ORDERED: Final = {"yes": True, "no": False}  # another answer says neither
CASE_NUMBER: Final = "case_number"
REPORT_REGION: Final = "report_region"


@bp.get("/report")
def show() -> Response:
    """Ask for the number first; once a code was sent, for the text."""
    if REPORT_CHALLENGE in session and "again" not in request.args:
        return _report_page()
    return page("report_phone.html", errors={}, entered="")


def _report_page(status: int = 200, **errors: str) -> Response:
    now = runtime().clock.now().astimezone(app_context().consent.default_timezone)
    return code_page(
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
    picture = _picture()
    if picture and not has_picture_signature(picture):
        errors["picture"] = _statement_error("picture")
    if pasted is None or errors:
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
    session[REPORT_REGION] = _report_region(challenge)
    return remember_number(_filed_page(filed, pasted, picture), challenge)


def _report_region(challenge: ChallengeSecret | None) -> str:
    """Return the region whose short code for reports fits the number of this browser."""
    number = verified_number(runtime(), challenge)
    return app_context().otp.default_region if number is None else region_to_report_in(number)


def _filed_page(filed: FiledComplaint, pasted: PastedText, picture: bytes) -> Response:
    """Show the verdict: by a redirect, unless this answer alone can show the pasted text.

    The text is kept in no cookie. A picture that cannot be read can be added again.
    """
    errors = _add(filed.complaint, "", picture) if picture else {}
    if not errors and filed.complaint.verdict is not Verdict.NOT_THROUGH_US:
        return redirect_after_post("report.show_report")
    case = read_case(runtime(), filed.case_number)
    where = referral_of_text(
        session[REPORT_REGION], sender=pasted.sender, text=pasted.text, at=pasted.at
    )
    return _report_status_page(filed.case_number, case, errors, where)


def _pasted_text() -> tuple[PastedText | None, dict[str, str]]:
    """Return the reported text, or None and the errors of the fields."""
    sender = comparable_sender(form.text("sender", MAX_SENDER_LENGTH))
    text = form.text("text", MAX_PASTED_LENGTH)
    at = form.local_datetime("at", app_context().consent.default_timezone)
    errors: dict[str, str] = {}
    if not sender:
        errors["sender"] = _("Enter the number or name above the text.")
    if not text:
        errors["text"] = _("Paste the whole text.")
    if at is None:
        errors["at"] = _("Enter roughly when it came.")
    if request.form.get("reason") not in set(ComplaintReason):
        errors["reason"] = _("Choose what is wrong with it.")
    if errors or at is None:
        return None, errors
    return PastedText(sender=sender, text=text, at=at), {}


def _picture() -> bytes:
    """Return the uploaded picture, and a byte more than it may have; empty if there is none."""
    upload = request.files.get("picture")
    return upload.read(MAX_PICTURE_BYTES + 1) if upload else b""


@bp.get("/reports")
def show_report() -> Response:
    """Show how the complaint stands that this browser filed, or looked up by its case number."""
    case_number = session.get(CASE_NUMBER)
    if not case_number:
        return _lookup_page()
    try:
        return _report_status_page(case_number, read_case(runtime(), case_number), {})
    except NotFoundError:
        session.pop(CASE_NUMBER, None)
        return _lookup_page()


@bp.post("/reports")
def update_report() -> Response:
    """Look a complaint up by its case number, or add a statement or answers to it."""
    action = request.form.get("action")
    if action in ADDITIONS:
        return ADDITIONS[action]()
    case_number = form.text("number", MAX_CASE_NUMBER_LENGTH)
    try:
        find_by_case_number(runtime(), case_number)
    except NotFoundError:
        error = _("There is no report with this number.")
        return _lookup_page(422, entered=case_number, number=error)
    session[CASE_NUMBER] = _digits(case_number)
    return redirect_after_post("report.show_report")


def _answer() -> Response:
    """Save whether the consumer ordered there, and the text if its consumer shows it."""
    case = read_case(runtime(), session.get(CASE_NUMBER, ""))
    given = Answers(
        has_ordered=HAS_ORDERED.get(request.form.get("ordered", "")),
        shows_text=request.form.get("show_text") == "yes",
    )
    if answer(runtime(), case.complaint, given):
        set_result("statement_added")
    return redirect_after_post("report.show_report")


def _add_statement() -> Response:
    case_number = session.get(CASE_NUMBER, "")
    case = read_case(runtime(), case_number)
    if errors := _add(case.complaint, request.form.get("said", ""), _picture()):
        return _report_status_page(case_number, case, errors)
    set_result("statement_added")
    return redirect_after_post("report.show_report")


ADDITIONS: Final = {"more": _add_statement, "answer": _answer}  # by the value of the button


def _add(complaint: Complaint, said: str, picture: bytes) -> dict[str, str]:
    """Add a statement and a picture to a complaint; return the errors of their fields."""
    try:
        add_statement(runtime(), complaint, said, picture)
    except InvalidError as error:
        return {name: _statement_error(name) for name in error.fields}
    return {}


def _statement_error(field: str) -> str:
    texts: dict[str, str] = {
        "said": _("Use at most %(most)s characters.", most=MAX_STATEMENT_LENGTH),
        "picture": _("Choose a PNG or JPEG picture of at most 1 MB."),
    }
    return texts[field]


def _lookup_page(status: int = 200, entered: str = "", **errors: str) -> Response:
    """Return the page that asks for a case number."""
    return page("report_status.html", status, complaint=None, entered=entered, errors=errors)


def _report_status_page(
    case_number: str, case: Case, errors: dict[str, str], where: Referral | None = None
) -> Response:
    groups = range(0, len(case_number), CASE_NUMBER_GROUP)
    if where is None:
        where = referral(session.get(REPORT_REGION, app_context().otp.default_region))
    is_elsewhere = case.complaint.verdict is Verdict.NOT_THROUGH_US
    return page(
        "report_status.html",
        422 if errors else 200,
        complaint=case.complaint,
        has_text=case.complaint.may_show_text and has_text(runtime(), case.complaint),
        case_number=" ".join(case_number[at : at + CASE_NUMBER_GROUP] for at in groups),
        merchant=case.merchant,
        referral=where if is_elsewhere else None,
        timezone=app_context().consent.default_timezone,
        errors=errors,
        result=take_result(),
    )


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())
