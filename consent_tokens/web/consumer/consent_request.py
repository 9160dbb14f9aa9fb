"""`/c/{page_id}`: a merchant's request, the phone number, the one-time code, and yes or no."""

from typing import Any, Final

from flask import Response, request, session, url_for
from flask_babel import gettext as _

from consent_tokens.consent.grant import Grant
from consent_tokens.consent.notice import Notice
from consent_tokens.consent.number_check import NumberFault
from consent_tokens.consent.purposes import Purpose
from consent_tokens.consent.request import RequestStatus
from consent_tokens.consent.scope import ScopeReduction
from consent_tokens.consent.timezones import format_timezones, parse_timezones
from consent_tokens.errors import InvalidError
from consent_tokens.services.consents.decisions import (
    ConsentDecision,
    OpenRequest,
    decline,
    find_open_request,
    grant_consent,
)
from consent_tokens.services.consents.views import live_to_merchant
from consent_tokens.services.number_verification import ChallengeSecret
from consent_tokens.web.consumer import (
    blueprint,
    page,
    redirect_after_post,
    signed_in_recipient,
)
from consent_tokens.web.consumer import form_fields as form
from consent_tokens.web.consumer.abuse_gate import challenge_page, may_send_code
from consent_tokens.web.consumer.consent_question import (
    ConsentQuestion,
    NarrowerChoices,
    requested_window,
)
from consent_tokens.web.consumer.locale import language
from consent_tokens.web.consumer.otp_forms import (
    code_errors,
    entered_number,
    number_errors,
    send_code_to,
    waiting_for,
)
from consent_tokens.web.request_context import app_context, runtime

bp = blueprint("consent_request")

PENDING: Final = "pending_choice"  # key of the cookie session: the choice until its code is entered
DECIDED: Final = "decision"  # key of the cookie session: the decision that was just made


@bp.get("/c/<page_id>")
def show(page_id: str) -> Response:
    """Show the request; to the browser that has just answered it, the decision."""
    open_request = find_open_request(runtime(), page_id)
    if session.get(DECIDED, {}).get("page_id") == page_id:
        return page("decided.html", open_request=open_request, decision=session[DECIDED])
    status = open_request.request.status_at(runtime().clock.now())
    if status is not RequestStatus.PENDING:
        return page("closed.html", merchant=open_request.merchant, request_status=status.value)
    if session.get(PENDING, {}).get("page_id") == page_id and "again" not in request.args:
        return _confirmation_page(open_request)
    return _question_page(open_request)


@bp.post("/c/<page_id>")
def decide(page_id: str) -> Response:
    """Take the decision: a no counts at once; a yes first sends a code, and counts with it."""
    open_request = find_open_request(runtime(), page_id)
    if request.form.get("decision") == "decline":
        decline(runtime(), app_context().consent, open_request)
        return _redirect_decided(page_id, "declined")
    if request.form.get("action") == "timezone":
        return _choose_timezone(open_request)
    if "code" in request.form:
        return _verify_code(open_request)
    return _send_code(open_request)


# --- The choice, and a code -----------------------------------------------------------------------


def _send_code(open_request: OpenRequest) -> Response:
    """Send a code to the entered number; the session keeps the choice until it is entered."""
    reduction = form.scope_reduction()
    if not (reduction.purposes or frozenset()) & open_request.request.terms.purposes:
        error = _("Tick at least one, or say no.")
        return _question_page(open_request, 422, reduction, purposes=error)
    number = entered_number()
    if isinstance(number, NumberFault):
        return _question_page(open_request, 422, reduction, **number_errors(number))
    if not _is_within_terms(open_request, reduction):
        error = _("That is not less than was asked.")
        return _question_page(open_request, 422, reduction, scope=error)
    if not may_send_code(number):
        return challenge_page(url_for("consent_request.decide", page_id=open_request.page_id))
    locale = open_request.request.terms.locale
    session[PENDING] = {
        "page_id": open_request.page_id,
        "challenge": send_code_to(number, open_request.code_use, locale),
        "timezones": format_timezones(number.timezones(app_context().consent.default_timezone)),
        "timezone": None,  # chosen, if there are several
        **_choice(reduction),
    }
    return redirect_after_post("consent_request.show", page_id=open_request.page_id)


def _is_within_terms(open_request: OpenRequest, reduction: ScopeReduction) -> bool:
    timezones = (app_context().consent.default_timezone,)
    try:
        open_request.request.scope_for(reduction, timezones, runtime().clock.now())
    except ValueError:
        return False
    return True


def _choice(reduction: ScopeReduction) -> dict[str, Any]:
    """Return a choice as the session keeps it; `_pending_reduction` reads it."""
    return {
        "purposes": sorted(reduction.purposes or ()),
        "max_messages": reduction.max_messages,
        "opens": reduction.opens,
        "closes": reduction.closes,
        "days": reduction.days,
    }


def _question_page(
    open_request: OpenRequest,
    status: int = 200,
    chosen: ScopeReduction | None = None,
    **errors: str,
) -> Response:
    """Return the page of a request, with the form as the consumer left it."""
    chosen = chosen or ScopeReduction()
    policy, terms = app_context().consent, open_request.request.terms
    window = requested_window(terms, policy)
    now = runtime().clock.now()
    return page(
        "question.html",
        status,
        merchant=open_request.merchant,
        question=ConsentQuestion.compose(
            open_request, chosen, policy, _language(open_request), now
        ),
        choices=NarrowerChoices.of(terms, window),
        chosen=chosen,
        terms=terms,
        window=window,
        timezone=policy.default_timezone,
        agreed=_agreed_already(open_request),
        errors=errors,
    )


def _agreed_already(open_request: OpenRequest) -> list[Grant]:
    """Return what the consumer who is signed in with this browser agreed to with this merchant."""
    partition = signed_in_recipient()
    if partition is None:
        return []
    return live_to_merchant(runtime(), partition, open_request.merchant.id)


# --- The notice, and the decision -----------------------------------------------------------------


def _confirmation_page(open_request: OpenRequest, status: int = 200, **errors: str) -> Response:
    """Return the page with the notice that a yes agrees to, and the field for the code.

    A number that may be in several time zones has a choice of them; it has to be made where the
    hours are never open in all of them at once.
    """
    pending = session[PENDING]
    timezones = parse_timezones(pending["timezones"])
    try:
        notice = _notice(open_request, pending)
    except ValueError:
        return page("timezone.html", open_request=open_request, timezones=timezones)
    headline, *lines = notice.text.splitlines()
    return page(
        "confirmation.html",
        status,
        open_request=open_request,
        headline=headline,
        lines=lines,
        digest=notice.digest.hex(),
        waiting=waiting_for(session[PENDING]["challenge"]),
        timezones=timezones if len(timezones) > 1 and _has_hours(pending) else (),
        chosen=pending["timezone"],
        errors=errors,
    )


def _has_hours(pending: dict[str, Any]) -> bool:
    """Whether the send window binds anything that was ticked."""
    return any(Purpose(name).is_marketing for name in pending["purposes"])


def _choose_timezone(open_request: OpenRequest) -> Response:
    """Take the choice among the time zones that the number may be in; empty: all of them."""
    pending = session.get(PENDING, {})
    if pending.get("page_id") == open_request.page_id:
        chosen = form.text("timezone")
        if chosen and chosen not in pending["timezones"].split(" "):
            raise InvalidError({"timezone": ["not_offered"]})
        session[PENDING] = {**pending, "timezone": chosen or None}
    return redirect_after_post("consent_request.show", page_id=open_request.page_id)


def _verify_code(open_request: OpenRequest) -> Response:
    """Grant consent if the code verifies the number and the notice is still the one shown."""
    pending = session.get(PENDING, {})
    if pending.get("page_id") != open_request.page_id:
        return _question_page(open_request, 422)
    notice = _notice(open_request, pending)
    if request.form.get("notice") != notice.digest.hex():
        error = _("The words have changed. Please read again.")
        return _confirmation_page(open_request, 409, notice=error)
    context = app_context()
    decision = _decision(open_request, pending, notice)
    created = grant_consent(runtime(), context.otp, context.consent, open_request, decision)
    if created is None:
        return _confirmation_page(open_request, 422, **code_errors())
    replacement = created.replacement
    return _redirect_decided(
        open_request.page_id,
        "granted",
        receipt_id=created.receipt_id,
        replaced=sorted(replacement.purposes),
        kept=sorted(replacement.purposes_kept),
    )


def _decision(
    open_request: OpenRequest, pending: dict[str, Any], notice: Notice
) -> ConsentDecision:
    return ConsentDecision(
        reduction=_pending_reduction(pending),
        language=_language(open_request),
        notice_digest=notice.digest,
        challenge=ChallengeSecret.from_text(pending["challenge"]),
        code=form.one_time_code(),
        timezone=pending["timezone"],
        wants_receipt_sms="receipt" in request.form,
    )


def _redirect_decided(page_id: str, answer: str, **details: str | list[str] | None) -> Response:
    session.pop(PENDING, None)
    session[DECIDED] = {"page_id": page_id, "answer": answer, **details}
    return redirect_after_post("consent_request.show", page_id=page_id)


def _notice(open_request: OpenRequest, pending: dict[str, Any]) -> Notice:
    """Return the notice of the choice that is pending in this browser."""
    return open_request.notice(
        _pending_reduction(pending),
        parse_timezones(pending["timezone"] or pending["timezones"]),
        _language(open_request),
        app_context().consent.retention,
        runtime().clock.now(),
    )


def _pending_reduction(pending: dict[str, Any]) -> ScopeReduction:
    return ScopeReduction(
        purposes=frozenset(Purpose(name) for name in pending["purposes"]),
        max_messages=pending["max_messages"],
        opens=pending["opens"],
        closes=pending["closes"],
        days=pending["days"],
    )


def _language(open_request: OpenRequest) -> str:
    return language(open_request.request.terms.locale)
