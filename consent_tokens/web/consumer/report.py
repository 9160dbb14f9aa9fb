"""`/report`: any text, pasted, and what the records say of it; and how a complaint stands."""

from flask import Response, request, session, url_for
from flask_babel import gettext as _

from consent_tokens.errors import InvalidError, NotFoundError
from consent_tokens.evidence.complaints import MOST_SAID, Why
from consent_tokens.services.complaints import (
    ABOUT,
    MOST_PICTURE,
    Pasted,
    complain_pasted,
    follow,
    say_more,
)
from consent_tokens.services.number_verification import Secret, send_code, typed_number
from consent_tokens.store import merchants
from consent_tokens.store.complaints import Complaint
from consent_tokens.web.consumer import blueprint, page, see_other
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.consumer.abuse_gate import let_in, work_page
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.request_context import client_address, world

doors = blueprint("report")

MOST_PASTED = 2000
MOST_SENDER = 24
PENDING = "report"  # where the browser keeps that a code is on its way


@doors.get("/report")
def look() -> Response:
    """Ask for the number first; once a code is on its way, for the text."""
    if PENDING in session and "again" not in request.args:
        return _form()
    return page("report_phone.html", faults={})


def _form(status: int = 200, **faults: str) -> Response:
    now = world().clock.now().astimezone(world().zone)
    return page(
        "report.html",
        status,
        reasons=list(Why),
        faults=faults,
        given=request.form,
        latest=now.replace(tzinfo=None).isoformat(timespec="minutes"),
    )


@doors.post("/report")
def act() -> Response:
    """Send a code, or take the complaint that came with one."""
    if "code" in request.form:
        return _file()
    try:
        number = typed_number(world(), request.form.get("phone", ""))
    except InvalidError:
        wrong = _("This does not look like a phone number.")
        return page("report_phone.html", 422, faults={"phone": wrong})
    if not let_in():
        return work_page(url_for("report.act"))
    secret = send_code(world(), number, about=ABOUT, language=language(), address=client_address())
    session[PENDING] = secret.to_text()
    return see_other("report.look")


def _file() -> Response:
    sender = "".join(letter for letter in form.text("sender", MOST_SENDER) if letter.isdigit())
    text, at = form.text("text", MOST_PASTED), form.moment("at", world().zone)
    faults: dict[str, str] = {}
    if not sender:
        faults["sender"] = _("Digits only, as the phone shows the sender.")
    if not text:
        faults["text"] = _("Paste the whole text here.")
    if at is None:
        faults["at"] = _("When it came, roughly.")
    if request.form.get("reason") not in set(Why):
        faults["reason"] = _("Choose one.")
    if faults or at is None:
        return _form(422, **faults)
    filed = complain_pasted(
        world(),
        Secret.from_text(session.get(PENDING, "")),
        form.typed_code(),
        Pasted(sender=sender, text=text, at=at),
        Why(request.form["reason"]),
    )
    if filed is None:
        wrong = _("This code is wrong or too old. You can ask for a new one.")
        return _form(422, code=wrong)
    session.pop(PENDING, None)
    session["filed"] = filed.number
    return see_other("report.follow_one")


@doors.get("/reports")
def follow_one() -> Response:
    """Show how the complaint stands that this browser has filed, or asked for by its number."""
    number = session.get("filed")
    if not number:
        return page("follow.html", complaint=None, faults={})
    try:
        return _followed(number, follow(world(), number))
    except NotFoundError:
        session.pop("filed", None)
        return page("follow.html", complaint=None, faults={})


@doors.post("/reports")
def act_on_one() -> Response:
    """Look a complaint up by its number, or say more about it."""
    if request.form.get("action") == "more":
        return _more()
    number = form.text("number", 40)
    try:
        follow(world(), number)
    except NotFoundError:
        unknown = _("There is no report with this number.")
        return page("follow.html", 422, complaint=None, faults={"number": unknown})
    session["filed"] = "".join(letter for letter in number if letter.isdigit())
    return see_other("report.follow_one")


def _more() -> Response:
    number = session.get("filed", "")
    complaint = follow(world(), number)
    picture = request.files.get("picture")
    shown = picture.read(MOST_PICTURE + 1) if picture else b""
    try:
        say_more(world(), complaint, request.form.get("said", ""), shown)
    except InvalidError as fault:
        wrong = _("At most %(most)s characters.", most=MOST_SAID)
        kind = _("A PNG or JPEG picture of at most one megabyte.")
        faults = {name: {"said": wrong, "picture": kind}[name] for name in fault.fields}
        return _followed(number, complaint, 422, **faults)
    session["told"] = "more"
    return see_other("report.follow_one")


def _followed(number: str, complaint: Complaint, status: int = 200, **faults: str) -> Response:
    merchant_id = complaint.merchant_id
    merchant = (
        world().store.read(lambda transaction: merchants.find(transaction, merchant_id))
        if merchant_id
        else None
    )
    return page(
        "follow.html",
        status,
        complaint=complaint,
        number=" ".join(number[place : place + 4] for place in range(0, len(number), 4)),
        merchant=merchant,
        zone=world().zone,
        faults=faults,
        told=session.pop("told", None),
    )
