"""`/c/{code}`: the merchant's question, the number, the code, and yes or no."""

from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, request, session, url_for
from flask_babel import gettext as _

from consent_tokens.consent import notice as words
from consent_tokens.consent.purposes import Purpose, in_catalogue_order
from consent_tokens.consent.request import RequestStatus
from consent_tokens.consent.scope import ScopeReduction, SendWindow
from consent_tokens.errors import InvalidError
from consent_tokens.services.consents.decisions import (
    ConsentDecision,
    OpenRequest,
    decline,
    find_open_request,
    grant_consent,
    retention_periods,
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
from consent_tokens.web.request_context import client_ip, world

doors = blueprint("consent_request")

PENDING = "invitation"  # where the browser keeps the question it is in the middle of
DECIDED = "answered"
OFFERED_LIMITS = (1, 2, 4, 8, 12, 30, 100, 300)  # offered as less than what was asked
OFFERED_DAYS = (7, 30, 90, 180, 365, 730)
HOUR_STEP = 60  # minutes between the hours that are offered


@doors.get("/c/<code>")
def show(code: str) -> Response:
    """Show the question; to the browser that has just answered it, the answer."""
    question = find_open_request(world(), code)
    if session.get(DECIDED, {}).get("code") == code:
        return page("answered.html", question=question, **session[DECIDED])
    if question.request.status_at(world().clock.now()) is not RequestStatus.PENDING:
        return page("closed.html", question=question)
    if session.get(PENDING, {}).get("code") == code and "again" not in request.args:
        return _confirmation_page(question)
    return _question_page(question)


@doors.post("/c/<code>")
def decide(code: str) -> Response:
    """Take the answer: no at once; yes first sends a code, and with the code it counts."""
    question = find_open_request(world(), code)
    if request.form.get("decision") == "decline":
        decline(world(), question)
        return _redirect_decided(code, "declined")
    if "code" in request.form:
        return _verify_code(question)
    return _send_code(question)


def _send_code(question: OpenRequest) -> Response:
    """Send a code to the number that was typed, and keep what was chosen until it comes back."""
    less = form.scope_reduction()
    if not (less.purposes or frozenset()) & question.request.terms.purposes:
        return _question_page(question, 422, purposes=_("Tick at least one, or say no."))
    try:
        number = parse_phone_input(world(), request.form.get("phone", ""))
    except InvalidError:
        wrong = _("This does not look like a phone number.")
        return _question_page(question, 422, less, phone=wrong)
    try:
        question.request.scope_for(less, world().default_timezone, world().clock.now())
    except ValueError:
        return _question_page(question, 422, less, scope=_("That is not less than was asked."))
    if not may_send_code():
        return challenge_page(url_for("consent_request.decide", code=question.page_id))
    secret = send_code(
        world(),
        number,
        intent=question.otp_intent,
        language=_language(question),
        client_ip=client_ip(),
    )
    session[PENDING] = {
        "code": question.page_id,
        "secret": secret.to_text(),
        "zone": number.timezone(world().default_timezone).key,
        "purposes": sorted(less.purposes or ()),
        "less": [less.max_messages, less.opens, less.closes, less.days],
    }
    return redirect_after_post("consent_request.show", code=question.page_id)


def _verify_code(question: OpenRequest) -> Response:
    pending = session.get(PENDING, {})
    if pending.get("code") != question.page_id:
        return _question_page(question, 422)
    shown = _shown_notice(question, pending)
    yes = ConsentDecision(
        reduction=_chosen_reduction(pending),
        language=_language(question),
        notice_digest=shown.digest,
        challenge=ChallengeSecret.from_text(pending["secret"]),
        code=form.one_time_code(),
        wants_receipt_sms="receipt" in request.form,
    )
    if request.form.get("notice") != shown.digest.hex():
        return _confirmation_page(
            question, 409, notice=_("The words have changed. Please read again.")
        )
    given = grant_consent(world(), question, yes)
    if given is None:
        wrong = _("This code is wrong or too old. You can ask for a new one.")
        return _confirmation_page(question, 422, code=wrong)
    return _redirect_decided(question.page_id, "granted", given.receipt_id)


def _redirect_decided(code: str, answer: str, receipt: str | None = None) -> Response:
    session.pop(PENDING, None)
    session[DECIDED] = {"code": code, "answer": answer, "receipt": receipt}
    return redirect_after_post("consent_request.show", code=code)


def _question_page(
    question: OpenRequest, status: int = 200, chosen: ScopeReduction | None = None, **faults: str
) -> Response:
    """Show the question, with every box as the consumer left it: none is ticked in advance."""
    spoken = _language(question)
    wanted = question.request.terms
    chosen = chosen or ScopeReduction()
    now = world().clock.now()
    hours = SendWindow.parse(wanted.opens, wanted.closes, world().default_timezone)
    return page(
        "question.html",
        status,
        question=question,
        zone=world().default_timezone,
        headline=words.headline(question.merchant.name, spoken),
        offers=[
            (purpose.value, *words.purpose_label(purpose, spoken), _is_in(purpose, chosen))
            for purpose in in_catalogue_order(wanted.purposes)
        ],
        how_often=words.describe_frequency_cap(wanted.frequency_cap, spoken),
        which_hours=words.describe_send_window(hours, spoken),
        until_when=words.describe_expiry(now + wanted.valid_for, hours, spoken),
        how_to_stop=words.describe_opt_out(spoken),
        what_is_kept=words.describe_retention(retention_periods(world()), spoken),
        who_decides=words.describe_minors(spoken),
        promise=words.assurance(question.merchant.name, spoken),
        faults=faults,
        has_marketing=any(purpose.is_marketing for purpose in wanted.purposes),
        chosen=chosen,
        caps=[each for each in OFFERED_LIMITS if each < wanted.frequency_cap.limit],
        days=[each for each in OFFERED_DAYS if each < wanted.valid_for.days],
        opens=list(
            range(hours.opens + HOUR_STEP - hours.opens % HOUR_STEP, hours.closes, HOUR_STEP)
        ),
        closes=list(
            range(hours.opens + HOUR_STEP - hours.opens % HOUR_STEP, hours.closes, HOUR_STEP)
        ),
        hours=hours,
        wanted=wanted,
    )


def _is_in(purpose: Purpose, chosen: ScopeReduction) -> bool:
    return purpose in (chosen.purposes or ())


def _confirmation_page(question: OpenRequest, status: int = 200, **faults: str) -> Response:
    """Show the exact words that a yes agrees to, and ask for the code."""
    notice = _shown_notice(question, session[PENDING])
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


def _shown_notice(question: OpenRequest, pending: dict[str, Any]) -> words.Notice:
    """Return the notice of what this browser is in the middle of."""
    return question.notice(
        _chosen_reduction(pending),
        ZoneInfo(str(pending["zone"])),
        _language(question),
        retention_periods(world()),
        world().clock.now(),
    )


def _chosen_reduction(pending: dict[str, Any]) -> ScopeReduction:
    most, opens, closes, days = pending["less"]
    purposes = frozenset(Purpose(name) for name in pending["purposes"])
    return ScopeReduction(
        purposes=purposes, max_messages=most, opens=opens, closes=closes, days=days
    )


def _language(question: OpenRequest) -> str:
    return language(question.request.terms.locale)
