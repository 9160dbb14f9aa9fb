"""`/c/{code}`: the merchant's question, the number, the code, and yes or no."""

from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, request, session, url_for
from flask_babel import gettext as _

from consent_tokens.consent import notice as words
from consent_tokens.consent.purposes import Purpose, in_order
from consent_tokens.consent.request import RequestState
from consent_tokens.consent.scope import Hours, Less
from consent_tokens.errors import InvalidError
from consent_tokens.services.consents.decisions import Asked, Yes, agree, asked, decline, records_of
from consent_tokens.services.number_verification import Secret, send_code, typed_number
from consent_tokens.web.consumer import blueprint, page, see_other
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.consumer.abuse_gate import let_in, work_page
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.request_context import client_address, world

doors = blueprint("invitation")

PENDING = "invitation"  # where the browser keeps the question it is in the middle of
ANSWERED = "answered"
CAPS = (1, 2, 4, 8, 12, 30, 100, 300)  # offered as less than what was asked
DAYS = (7, 30, 90, 180, 365, 730)
STEP = 60  # minutes between the hours that are offered


@doors.get("/c/<code>")
def look(code: str) -> Response:
    """Show the question; to the browser that has just answered it, the answer."""
    question = asked(world(), code)
    if session.get(ANSWERED, {}).get("code") == code:
        return page("answered.html", question=question, **session[ANSWERED])
    if question.request.standing(world().clock.now()) is not RequestState.PENDING:
        return page("closed.html", question=question)
    if session.get(PENDING, {}).get("code") == code and "again" not in request.args:
        return _confirmation(question)
    return _question(question)


@doors.post("/c/<code>")
def answer(code: str) -> Response:
    """Take the answer: no at once; yes first sends a code, and with the code it counts."""
    question = asked(world(), code)
    if request.form.get("decision") == "decline":
        decline(world(), question)
        return _answered(code, "declined")
    if "code" in request.form:
        return _with_code(question)
    return _with_number(question)


def _with_number(question: Asked) -> Response:
    """Send a code to the number that was typed, and keep what was chosen until it comes back."""
    less = form.less()
    if not (less.purposes or frozenset()) & question.request.question.purposes:
        return _question(question, 422, purposes=_("Tick at least one, or say no."))
    try:
        number = typed_number(world(), request.form.get("phone", ""))
    except InvalidError:
        wrong = _("This does not look like a phone number.")
        return _question(question, 422, less, phone=wrong)
    try:
        question.request.scope_for(less, world().zone, world().clock.now())
    except ValueError:
        return _question(question, 422, less, scope=_("That is not less than was asked."))
    if not let_in():
        return work_page(url_for("invitation.answer", code=question.code))
    secret = send_code(
        world(),
        number,
        about=question.about,
        language=_language(question),
        address=client_address(),
    )
    session[PENDING] = {
        "code": question.code,
        "secret": secret.to_text(),
        "zone": number.zone(world().zone).key,
        "purposes": sorted(less.purposes or ()),
        "less": [less.most, less.opens, less.closes, less.days],
    }
    return see_other("invitation.look", code=question.code)


def _with_code(question: Asked) -> Response:
    pending = session.get(PENDING, {})
    if pending.get("code") != question.code:
        return _question(question, 422)
    shown = _shown(question, pending)
    yes = Yes(
        less=_chosen(pending),
        language=_language(question),
        words=shown.digest,
        secret=Secret.from_text(pending["secret"]),
        code=form.typed_code(),
        wants_text="receipt" in request.form,
    )
    if request.form.get("notice") != shown.digest.hex():
        return _confirmation(question, 409, notice=_("The words have changed. Please read again."))
    given = agree(world(), question, yes)
    if given is None:
        wrong = _("This code is wrong or too old. You can ask for a new one.")
        return _confirmation(question, 422, code=wrong)
    return _answered(question.code, "granted", given.receipt)


def _answered(code: str, answer: str, receipt: str | None = None) -> Response:
    session.pop(PENDING, None)
    session[ANSWERED] = {"code": code, "answer": answer, "receipt": receipt}
    return see_other("invitation.look", code=code)


def _question(
    question: Asked, status: int = 200, chosen: Less | None = None, **faults: str
) -> Response:
    """Show the question, with every box as the consumer left it: none is ticked in advance."""
    spoken = _language(question)
    wanted = question.request.question
    chosen = chosen or Less()
    now = world().clock.now()
    hours = Hours.parse(wanted.opens, wanted.closes, world().zone)
    return page(
        "question.html",
        status,
        question=question,
        zone=world().zone,
        headline=words.headline(question.merchant.name, spoken),
        offers=[
            (purpose.value, *words.purpose_words(purpose, spoken), _is_in(purpose, chosen))
            for purpose in in_order(wanted.purposes)
        ],
        how_often=words.how_often(wanted.cap, spoken),
        which_hours=words.which_hours(hours, spoken),
        until_when=words.until_when(now + wanted.valid_for, hours, spoken),
        how_to_stop=words.how_to_stop(spoken),
        what_is_kept=words.what_is_kept(records_of(world()), spoken),
        who_decides=words.who_decides(spoken),
        promise=words.promise(question.merchant.name, spoken),
        faults=faults,
        has_marketing=any(purpose.is_marketing for purpose in wanted.purposes),
        chosen=chosen,
        caps=[each for each in CAPS if each < wanted.cap.most],
        days=[each for each in DAYS if each < wanted.valid_for.days],
        opens=list(range(hours.opens + STEP - hours.opens % STEP, hours.closes, STEP)),
        closes=list(range(hours.opens + STEP - hours.opens % STEP, hours.closes, STEP)),
        hours=hours,
        wanted=wanted,
    )


def _is_in(purpose: Purpose, chosen: Less) -> bool:
    return purpose in (chosen.purposes or ())


def _confirmation(question: Asked, status: int = 200, **faults: str) -> Response:
    """Show the exact words that a yes agrees to, and ask for the code."""
    notice = _shown(question, session[PENDING])
    headline, *lines = notice.text.splitlines()
    return page(
        "confirmation.html",
        status,
        question=question,
        headline=headline,
        lines=lines,
        digest=notice.digest.hex(),
        faults=faults,
    )


def _shown(question: Asked, pending: dict[str, Any]) -> words.Notice:
    """Return the notice of what this browser is in the middle of."""
    return question.notice(
        _chosen(pending),
        ZoneInfo(str(pending["zone"])),
        _language(question),
        records_of(world()),
        world().clock.now(),
    )


def _chosen(pending: dict[str, Any]) -> Less:
    most, opens, closes, days = pending["less"]
    purposes = frozenset(Purpose(name) for name in pending["purposes"])
    return Less(purposes=purposes, most=most, opens=opens, closes=closes, days=days)


def _language(question: Asked) -> str:
    return language(question.request.question.locale)
