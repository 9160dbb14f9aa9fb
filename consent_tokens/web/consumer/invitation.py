"""`/c/{code}`: the merchant's question, the number, the code, and yes or no."""

from zoneinfo import ZoneInfo

from flask import Response, request, session
from flask_babel import gettext as _

from consent_tokens.consent import notice as words
from consent_tokens.consent.purposes import Purpose, in_order
from consent_tokens.consent.request import RequestState
from consent_tokens.consent.scope import Hours
from consent_tokens.errors import InvalidError
from consent_tokens.flow.answer import Asked, Yes, agree, asked, decline
from consent_tokens.flow.prove import Secret, send_code, typed_number
from consent_tokens.web.consumer import blueprint, page, see_other
from consent_tokens.web.consumer.languages import language
from consent_tokens.web.here import client_address, world

doors = blueprint("invitation")

PENDING = "invitation"  # where the browser keeps the question it is in the middle of
ANSWERED = "answered"


@doors.get("/c/<code>")
def look(code: str) -> Response:
    """Show the question; to the browser that has just answered it, the answer."""
    question = asked(world(), code)
    if session.get(ANSWERED, {}).get("code") == code:
        return page(
            "answered.html",
            question=question,
            answer=session[ANSWERED]["answer"],
            return_url=question.request.question.return_url,
        )
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
    chosen = _chosen(question, request.form.getlist("purposes"))
    if not chosen:
        return _question(question, 422, purposes=_("Tick at least one, or say no."))
    try:
        number = typed_number(world(), request.form.get("phone", ""))
    except InvalidError:
        return _question(
            question, 422, chosen=chosen, phone=_("This does not look like a phone number.")
        )
    secret = send_code(
        world(),
        number,
        about=question.about,
        language=_language(question),
        address=client_address(),
    )
    session[PENDING] = {
        "code": code,
        "secret": secret.to_text(),
        "purposes": sorted(chosen),
        "zone": number.zone(world().zone).key,
    }
    return see_other("invitation.look", code=code)


def _with_code(question: Asked) -> Response:
    pending = session.get(PENDING, {})
    if pending.get("code") != question.code:
        return _question(question, 422)
    shown = _shown(question, pending)
    yes = Yes(
        purposes=_chosen(question, pending["purposes"]),
        language=_language(question),
        words=shown.digest,
        secret=Secret.from_text(pending["secret"]),
        code="".join(request.form["code"].split())[:16],
    )
    if request.form.get("notice") != shown.digest.hex():
        return _confirmation(question, 409, notice=_("The words have changed. Please read again."))
    granted = agree(world(), question, yes)
    if granted is None:
        wrong = _("This code is wrong or too old. You can ask for a new one.")
        return _confirmation(question, 422, code=wrong)
    session.pop(PENDING)
    return _answered(question.code, "granted")


def _answered(code: str, answer: str) -> Response:
    session.pop(PENDING, None)
    session[ANSWERED] = {"code": code, "answer": answer}
    return see_other("invitation.look", code=code)


def _question(
    question: Asked, status: int = 200, *, chosen: frozenset[Purpose] = frozenset(), **faults: str
) -> Response:
    """Show the question, with every box as the consumer left it: none is ticked in advance."""
    spoken = _language(question)
    wanted = question.request.question
    now = world().clock.now()
    hours = Hours.parse(wanted.opens, wanted.closes, world().zone)
    return page(
        "question.html",
        status,
        question=question,
        zone=world().zone,
        headline=words.headline(question.merchant.name, spoken),
        offers=[
            (purpose.value, *words.purpose_words(purpose, spoken), purpose in chosen)
            for purpose in in_order(wanted.purposes)
        ],
        how_often=words.how_often(wanted.cap, spoken),
        which_hours=words.which_hours(hours, spoken),
        until_when=words.until_when(now + wanted.valid_for, hours, spoken),
        how_to_stop=words.how_to_stop(spoken),
        promise=words.promise(question.merchant.name, spoken),
        faults=faults,
        has_marketing=any(purpose.is_marketing for purpose in wanted.purposes),
    )


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


def _shown(question: Asked, pending: dict[str, object]) -> words.Notice:
    """Return the notice of what this browser is in the middle of."""
    purposes = pending["purposes"]
    chosen = _chosen(question, purposes if isinstance(purposes, list) else [])
    zone = ZoneInfo(str(pending["zone"]))
    return question.notice(chosen, zone, _language(question), world().clock.now())


def _chosen(question: Asked, names: list[str]) -> frozenset[Purpose]:
    offered = question.request.question.purposes
    return frozenset(purpose for purpose in offered if purpose.value in names)


def _language(question: Asked) -> str:
    return language(question.request.question.locale)
