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

bp = blueprint("consent_request")

PENDING = "pending"  # session key: the choice that waits for its code
DECIDED = "decided"  # session key: the decision that was just made
OFFERED_LIMITS = (1, 2, 4, 8, 12, 30, 100, 300)  # offered as less than what was asked
OFFERED_DAYS = (7, 30, 90, 180, 365, 730)
HOUR_STEP = 60  # minutes between the hours that are offered


@bp.get("/c/<code>")
def show(code: str) -> Response:
    """Show the question; to the browser that has just answered it, the answer."""
    open_request = find_open_request(runtime(), code)
    if session.get(DECIDED, {}).get("code") == code:
        return page("answered.html", question=open_request, **session[DECIDED])
    if open_request.request.status_at(runtime().clock.now()) is not RequestStatus.PENDING:
        return page("closed.html", question=open_request)
    if session.get(PENDING, {}).get("code") == code and "again" not in request.args:
        return _confirmation_page(open_request)
    return _question_page(open_request)


@bp.post("/c/<code>")
def decide(code: str) -> Response:
    """Take the answer: no at once; yes first sends a code, and with the code it counts."""
    open_request = find_open_request(runtime(), code)
    if request.form.get("decision") == "decline":
        decline(runtime(), app_context().consent, open_request)
        return _redirect_decided(code, "declined")
    if "code" in request.form:
        return _verify_code(open_request)
    return _send_code(open_request)


def _send_code(open_request: OpenRequest) -> Response:
    """Send a code to the number that was typed, and keep what was chosen until it comes back."""
    reduction = form.scope_reduction()
    if not (reduction.purposes or frozenset()) & open_request.request.terms.purposes:
        return _question_page(open_request, 422, purposes=_("Tick at least one, or say no."))
    try:
        number = parse_phone_input(app_context().otp, request.form.get("phone", ""))
    except InvalidError:
        wrong = _("This does not look like a phone number.")
        return _question_page(open_request, 422, reduction, phone=wrong)
    try:
        open_request.request.scope_for(
            reduction, app_context().consent.default_timezone, runtime().clock.now()
        )
    except ValueError:
        return _question_page(
            open_request, 422, reduction, scope=_("That is not less than was asked.")
        )
    if not may_send_code():
        return challenge_page(url_for("consent_request.decide", code=open_request.page_id))
    secret = send_code(
        runtime(),
        app_context().otp,
        number,
        intent=open_request.otp_intent,
        language=_language(open_request),
        client_ip=client_ip(),
    )
    session[PENDING] = {
        "code": open_request.page_id,
        "secret": secret.to_text(),
        "zone": number.timezone(app_context().consent.default_timezone).key,
        "purposes": sorted(reduction.purposes or ()),
        "less": [reduction.max_messages, reduction.opens, reduction.closes, reduction.days],
    }
    return redirect_after_post("consent_request.show", code=open_request.page_id)


def _verify_code(open_request: OpenRequest) -> Response:
    pending = session.get(PENDING, {})
    if pending.get("code") != open_request.page_id:
        return _question_page(open_request, 422)
    shown = _shown_notice(open_request, pending)
    decision = ConsentDecision(
        reduction=_chosen_reduction(pending),
        language=_language(open_request),
        notice_digest=shown.digest,
        challenge=ChallengeSecret.from_text(pending["secret"]),
        code=form.one_time_code(),
        wants_receipt_sms="receipt" in request.form,
    )
    if request.form.get("notice") != shown.digest.hex():
        return _confirmation_page(
            open_request, 409, notice=_("The words have changed. Please read again.")
        )
    context = app_context()
    created = grant_consent(runtime(), context.otp, context.consent, open_request, decision)
    if created is None:
        wrong = _("This code is wrong or too old. You can ask for a new one.")
        return _confirmation_page(open_request, 422, code=wrong)
    return _redirect_decided(open_request.page_id, "granted", created.receipt_id)


def _redirect_decided(code: str, answer: str, receipt: str | None = None) -> Response:
    session.pop(PENDING, None)
    session[DECIDED] = {"code": code, "answer": answer, "receipt": receipt}
    return redirect_after_post("consent_request.show", code=code)


def _question_page(
    open_request: OpenRequest,
    status: int = 200,
    chosen: ScopeReduction | None = None,
    **faults: str,
) -> Response:
    """Show the question, with every box as the consumer left it: none is ticked in advance."""
    spoken = _language(open_request)
    wanted = open_request.request.terms
    chosen = chosen or ScopeReduction()
    now = runtime().clock.now()
    hours = SendWindow.parse(wanted.opens, wanted.closes, app_context().consent.default_timezone)
    return page(
        "question.html",
        status,
        question=open_request,
        zone=app_context().consent.default_timezone,
        headline=words.headline(open_request.merchant.name, spoken),
        offers=[
            (purpose.value, *words.purpose_label(purpose, spoken), _is_in(purpose, chosen))
            for purpose in in_catalogue_order(wanted.purposes)
        ],
        how_often=words.describe_frequency_cap(wanted.frequency_cap, spoken),
        which_hours=words.describe_send_window(hours, spoken),
        until_when=words.describe_expiry(now + wanted.valid_for, hours, spoken),
        how_to_stop=words.describe_opt_out(spoken),
        what_is_kept=words.describe_retention(app_context().consent.retention, spoken),
        who_decides=words.describe_minors(spoken),
        promise=words.assurance(open_request.merchant.name, spoken),
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


def _confirmation_page(open_request: OpenRequest, status: int = 200, **faults: str) -> Response:
    """Show the exact words that a yes agrees to, and ask for the code."""
    notice = _shown_notice(open_request, session[PENDING])
    headline, *lines = notice.text.splitlines()
    return page(
        "confirmation.html",
        status,
        question=open_request,
        headline=headline,
        lines=lines,
        digest=notice.digest.hex(),
        faults=faults,
    )


def _shown_notice(open_request: OpenRequest, pending: dict[str, Any]) -> words.Notice:
    """Return the notice of what this browser is in the middle of."""
    return open_request.notice(
        _chosen_reduction(pending),
        ZoneInfo(str(pending["zone"])),
        _language(open_request),
        app_context().consent.retention,
        runtime().clock.now(),
    )


def _chosen_reduction(pending: dict[str, Any]) -> ScopeReduction:
    most, opens, closes, days = pending["less"]
    purposes = frozenset(Purpose(name) for name in pending["purposes"])
    return ScopeReduction(
        purposes=purposes, max_messages=most, opens=opens, closes=closes, days=days
    )


def _language(open_request: OpenRequest) -> str:
    return language(open_request.request.terms.locale)
